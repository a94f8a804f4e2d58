//! Maps records to writes by a topic's settings. Nothing here waits or uses the network.
//!
//! A document is encoded from the record directly into BSON ([`encoder`]), gets its `_id` and is copied into the write.
//! It is decoded only for post processors that need its fields.

pub(crate) mod cdc;
pub(crate) mod chain;
mod decimal;
mod document_parts;
mod encoder;
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
mod tests;
pub(crate) mod times;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use tributary_api::time::now_ms;
use tributary_api::{Error, Record, Result, Topic};

use self::cdc::{Event, Handler};
use self::chain::{Chain, MappingBuffers};
use self::document_parts::DocumentParts;
pub(crate) use self::encoder::Encoder;
use self::key::KeyDocument;
use self::models::{ModelInput, WriteStrategy};
use self::namespaces::{NamespaceMapper, Namespaces};
use crate::config::{Settings, TopicSettings};
use crate::model::{Namespace, WriteModel};

/// How the records of a topic become writes.
#[derive(Debug)]
pub(crate) struct Rules {
    /// `namespace.mapper`.
    pub(crate) namespaces: NamespaceMapper,
    /// How a record is mapped.
    pub(crate) kind: Kind,
}

/// How a record is mapped.
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
    /// The topic of the last record, which is usually that of the next one too.
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

    /// The write for a record. `None`: there is intentionally nothing to write (a change event that changes no
    /// document).
    ///
    /// # Errors
    /// `Data` when the record cannot be mapped; `Config` as [`settings`](Self::settings).
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
                let mut buffers = MappingBuffers { value, scratch, spare, id };
                let stands_in = chain_value(chain, record, &mut key, &mut buffers)?;
                let MappingBuffers { value, scratch, id, .. } = buffers;
                let parts = has_value.then(|| DocumentParts::new(value, stands_in.then_some(&**id)));
                let input = ModelInput { record, key: &mut key, parts, ids: &chain.ids, scratch, now: now_ms() };
                Some(strategy.model(input)?)
            }
        };
        Ok(model.map(|model| (namespace, model)))
    }
}

/// Applies the chain to the value; returns whether the element `_id` in the buffers replaces the value's own.
fn chain_value(
    chain: &Chain,
    record: &Record,
    key: &mut KeyDocument<'_>,
    buffers: &mut MappingBuffers<'_>,
) -> Result<bool> {
    if !chain.only_adds_id() {
        chain.apply(record, key, buffers)?;
        return Ok(false);
    }
    if record.value.value.is_null() || !chain.adds_id(buffers.value.id().is_some()) {
        return Ok(false);
    }
    chain.ids.element(record, key, Some(buffers.value.document()?), buffers.scratch, buffers.id)?;
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
