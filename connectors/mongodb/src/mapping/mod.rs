//! From records to writes, by a topic's settings. Nothing here waits or talks to a server.
//!
//! A document goes from the record straight into BSON bytes ([`encoder`]), gets its `_id` and is copied into the write.
//! Only post processors that look into it take it apart.

pub(crate) mod cdc;
pub(crate) mod chain;
mod decimal;
mod document_parts;
mod encoder;
#[cfg(test)]
mod golden;
pub(crate) mod ids;
pub(crate) mod json;
mod key;
pub(crate) mod models;
pub(crate) mod namespaces;
mod nulls;
pub(crate) mod projection;
mod raw;
mod raw_post_processors;
pub(crate) mod renaming;
#[cfg(test)]
mod speed;
pub(crate) mod times;
mod values;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tributary_api::{Error, Record, Result, Topic};

use self::cdc::{Event, Handler};
use self::chain::{Chain, Workspace};
use self::document_parts::DocumentParts;
pub(crate) use self::encoder::Encoder;
use self::key::KeyDocument;
use self::models::{Material, WriteStrategy};
use self::namespaces::{NamespaceMapper, Namespaces};
use crate::config::{Settings, TopicSettings};
use crate::model::{Namespace, WriteModel};

/// How the records of a topic become writes.
#[derive(Debug)]
pub(crate) struct Rules {
    /// `namespace.mapper`.
    pub(crate) namespaces: NamespaceMapper,
    /// What becomes of a record.
    pub(crate) kind: Kind,
}

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Its value is a document.
    Documents {
        /// `post.processor.chain` and the id strategy.
        chain: Chain,
        /// `writemodel.strategy`.
        write: WriteStrategy,
        /// `delete.writemodel.strategy`, with `delete.on.null.values`.
        delete: Option<WriteStrategy>,
    },
    /// It is a change event.
    Changes {
        /// `change.data.capture.handler`.
        handler: Handler,
        /// `change.data.capture.handler.remove.null.values`.
        removes_nulls: bool,
    },
}

/// Maps records, each by the settings of its topic. One for each task: it keeps buffers and names between records.
#[derive(Debug)]
pub(crate) struct Mapper {
    settings: Arc<Settings>,
    topics: HashMap<Topic, Arc<TopicSettings>>,
    /// The topic of the last record: mostly that of the next too.
    last: Option<(Topic, Arc<TopicSettings>)>,
    namespaces: Namespaces,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    key: Encoder,
    value: Encoder,
    scratch: Encoder,
    spare: Encoder,
    id: Vec<u8>,
}

impl Mapper {
    /// A mapper by a task's settings.
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self {
            settings: Arc::clone(settings),
            topics: HashMap::new(),
            last: None,
            namespaces: Namespaces::default(),
            buffers: Buffers::default(),
        }
    }

    /// The settings of a topic, overrides applied.
    ///
    /// # Errors
    /// `Config` when the overrides of a topic that was not known before (`topics.regex`) are wrong.
    pub(crate) fn settings(&mut self, topic: &Topic) -> Result<&Arc<TopicSettings>> {
        let same = |last: &(Topic, Arc<TopicSettings>)| Arc::ptr_eq(&last.0, topic) || last.0 == *topic;
        if !self.last.as_ref().is_some_and(same) {
            let settings = match self.topics.get(topic) {
                Some(settings) => Arc::clone(settings),
                None => {
                    let settings = Arc::new(self.settings.topic(topic)?);
                    self.topics.insert(Arc::clone(topic), Arc::clone(&settings));
                    settings
                }
            };
            self.last = Some((Arc::clone(topic), settings));
        }
        self.last.as_ref().map(|(_, settings)| settings).ok_or_else(|| Error::fatal("the topic's settings are gone"))
    }

    /// What to write for a record. `None`: nothing, on purpose (a change event that changes no document).
    ///
    /// # Errors
    /// `Data` when no write can be made of the record; `Config` as [`settings`](Self::settings).
    pub(crate) fn map(&mut self, record: &Record) -> Result<Option<(Arc<Namespace>, WriteModel)>> {
        let settings = Arc::clone(self.settings(&record.topic)?);
        let Buffers { key, value, scratch, spare, id } = &mut self.buffers;
        let mut key = KeyDocument::new(&record.key, key);
        let has_value = !record.value.value.is_null();
        if has_value {
            let made = values::encode(&record.value, value);
            made.map_err(|error| error.context("cannot make a document of the value"))?;
        }
        let seen = if has_value { Some(value.document()?) } else { None };
        let namespace = self.namespaces.of(&settings.rules.namespaces, &mut key, seen)?;
        let model = match &settings.rules.kind {
            Kind::Changes { handler, removes_nulls } => {
                let key = if handler.reads_key() { key.get()? } else { None };
                let model = handler.handle(Event { key, value: seen, scratch })?;
                if *removes_nulls { model.map(cdc::without_nulls).transpose()?.flatten() } else { model }
            }
            Kind::Documents { chain, write, delete } => {
                let strategy = if has_value { Some(*write) } else { *delete };
                let strategy = strategy.ok_or_else(|| no_value(record))?;
                let mut work = Workspace { value, scratch, spare, id };
                let stands_in = chain_value(chain, record, &mut key, &mut work)?;
                let Workspace { value, scratch, id, .. } = work;
                let parts = has_value.then(|| DocumentParts::new(value, stands_in.then_some(&**id)));
                let material = Material { record, key: &mut key, parts, ids: &chain.ids, scratch, now: now() };
                Some(strategy.model(material)?)
            }
        };
        Ok(model.map(|model| (namespace, model)))
    }
}

/// Takes the value through the chain; answers whether the element `_id` in the workspace is to stand in for the value's own.
fn chain_value(chain: &Chain, record: &Record, key: &mut KeyDocument<'_>, work: &mut Workspace<'_>) -> Result<bool> {
    if !chain.only_adds_id() {
        chain.apply(record, key, work)?;
        return Ok(false);
    }
    if record.value.value.is_null() || !chain.adds_id(work.value.id().is_some()) {
        return Ok(false);
    }
    chain.ids.element(record, key, Some(work.value.document()?), work.scratch, work.id)?;
    Ok(true)
}

#[cold]
fn no_value(record: &Record) -> Error {
    Error::data(if record.key.value.is_null() {
        "the record has neither key nor value: nothing can be written"
    } else {
        "the record has no value: set delete.on.null.values=true to delete the document of its key"
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
