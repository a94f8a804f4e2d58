use mongodb::bson::{Bson, DateTime, Document, RawDocument};
use tributary_api::{Error, Record, Result, TimestampType};

use super::encoder::Encoder;
use super::ids::{IdStrategy, place};
use super::key::KeyDocument;
use super::nulls::remove_nulls;
use super::projection::Projection;
use super::raw_post_processors;
use super::renaming::Renamer;
use super::times::DateFormat;

/// One step of `post.processor.chain`.
#[derive(Debug)]
pub(crate) enum Processor {
    /// Gives the document its `_id`.
    AddId,
    /// Adds the record's topic, partition, offset and timestamp.
    AddKafkaMeta,
    /// Removes null fields.
    RemoveNulls,
    /// Keeps or removes fields of the key.
    ProjectKey(Projection),
    /// Keeps or removes fields of the value.
    ProjectValue(Projection),
    /// Renames fields of both.
    Rename(Renamer),
    /// Makes the time field of a time series a date.
    ConvertTime { field: String, format: DateFormat },
}

/// The steps that are applied to a topic's documents, in order.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) steps: Vec<Processor>,
    /// `document.id.strategy`.
    pub(crate) ids: IdStrategy,
    /// `document.id.strategy.overwrite.existing`.
    pub(crate) overwrites_id: bool,
    /// Whether all steps work on bytes, without decoding the document.
    pub(super) quick: bool,
}

/// The buffers that the steps use.
pub(crate) struct MappingBuffers<'b> {
    /// The value's document.
    pub(crate) value: &'b mut Encoder,
    pub(crate) scratch: &'b mut Encoder,
    pub(crate) spare: &'b mut Encoder,
    /// The element `_id`.
    pub(crate) id: &'b mut Vec<u8>,
}

/// The field with the record's topic, partition and offset that [`Processor::AddKafkaMeta`] adds.
pub(super) const TOPIC_PARTITION_OFFSET: &str = "topic-partition-offset";

impl Processor {
    /// Whether it can be done in one pass over the bytes of the value, without changing the key.
    fn is_pass(&self) -> bool {
        match self {
            Self::ProjectKey(_) => false,
            Self::ProjectValue(projection) => projection.is_pass(),
            Self::Rename(renamer) => renamer.is_pass(),
            Self::AddId | Self::AddKafkaMeta | Self::RemoveNulls | Self::ConvertTime { .. } => true,
        }
    }
}

/// What a step changes.
struct Documents<'r, 'k> {
    record: &'r Record,
    key: &'r mut KeyDocument<'k>,
    /// The key's document, decoded once a step needs it.
    key_document: Option<Document>,
    value: Option<Document>,
    /// The part of the key that is also the `_id`. In Java both are the same object, so a step that changes one changes
    /// the other.
    shared: Shared,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    Nothing,
    WholeKey,
    IdOfKey,
}

impl Chain {
    /// Of these steps; `reads_key`: whether the write is made of the key.
    pub(crate) fn new(steps: Vec<Processor>, ids: IdStrategy, overwrites_id: bool, reads_key: bool) -> Self {
        let ids_added = steps.iter().filter(|step| matches!(step, Processor::AddId)).count();
        // If the `_id` is the key, a change of one changes the other.
        let shares = matches!(ids, IdStrategy::FullKey | IdStrategy::ProvidedInKey) && (reads_key || ids_added > 1);
        let quick = !shares && steps.iter().all(Processor::is_pass);
        Self { steps, ids, overwrites_id, quick }
    }

    /// Whether the only step is to add the `_id`: then the document need not be decoded.
    pub(crate) fn only_adds_id(&self) -> bool {
        matches!(self.steps[..], [Processor::AddId])
    }

    /// Whether a document that has this `_id` gets another.
    pub(crate) fn adds_id(&self, has_one: bool) -> bool {
        !has_one || self.overwrites_id
    }

    /// Applies the steps to key and value; afterwards the value's document is the changed one.
    ///
    /// # Errors
    /// `Data` when a step fails.
    pub(crate) fn apply(
        &self,
        record: &Record,
        key: &mut KeyDocument<'_>,
        buffers: &mut MappingBuffers<'_>,
    ) -> Result<()> {
        match (self.quick, record.value.value.is_null()) {
            (true, false) => raw_post_processors::run(self, record, key, buffers),
            (true, true) => raw_post_processors::run_without_value(self, key),
            (false, _) => self.apply_apart(record, key, buffers),
        }
    }

    /// The same for arbitrary steps, on decoded documents.
    pub(super) fn apply_apart(
        &self,
        record: &Record,
        key: &mut KeyDocument<'_>,
        buffers: &mut MappingBuffers<'_>,
    ) -> Result<()> {
        let MappingBuffers { value, scratch, .. } = buffers;
        let decoded = if record.value.value.is_null() { None } else { Some(decode(value.document()?)?) };
        let mut documents = Documents { record, key, key_document: None, value: decoded, shared: Shared::Nothing };
        for step in &self.steps {
            self.step(step, &mut documents, value, scratch)?;
        }
        match &documents.value {
            Some(document) => value.load(document),
            None => Ok(()),
        }
    }

    fn step(
        &self,
        step: &Processor,
        on: &mut Documents<'_, '_>,
        value: &mut Encoder,
        scratch: &mut Encoder,
    ) -> Result<()> {
        match step {
            Processor::AddId => self.add_id(on, value, scratch)?,
            Processor::AddKafkaMeta => add_kafka_meta(on)?,
            Processor::RemoveNulls => on.change_value(|document| {
                remove_nulls(document);
                Ok(())
            })?,
            Processor::ProjectValue(projection) => on.change_value(|document| {
                projection.apply(document);
                Ok(())
            })?,
            Processor::ProjectKey(projection) => on.change_key(|document| {
                projection.apply(document);
                Ok(())
            })?,
            Processor::Rename(renamer) => {
                on.change_key(|document| renamer.apply("key", document))?;
                on.change_value(|document| renamer.apply("value", document))?;
            }
            Processor::ConvertTime { field, format } => {
                if let Some(time) = on.value.as_mut().and_then(|document| document.get_mut(field))
                    && let Some(milliseconds) = format.milliseconds(time)
                {
                    *time = Bson::DateTime(DateTime::from_millis(milliseconds));
                }
            }
        }
        Ok(())
    }

    fn add_id(&self, on: &mut Documents<'_, '_>, encoder: &mut Encoder, scratch: &mut Encoder) -> Result<()> {
        let Some(document) = on.value.as_mut() else { return Ok(()) };
        if !self.adds_id(document.contains_key("_id")) {
            return Ok(());
        }
        if self.ids.is_of_value() {
            encoder.load(document)?;
        }
        let seen = self.ids.is_of_value().then(|| encoder.document()).transpose()?;
        let mut element = Vec::new();
        self.ids.element(on.record, on.key, seen, scratch, &mut element)?;
        let holder = super::document_parts::document(&[&element])?;
        let id = decode(&holder)?.remove("_id").ok_or_else(|| Error::fatal("an id strategy made no _id"))?;
        document.insert("_id", id);
        on.shared = match self.ids {
            IdStrategy::FullKey => Shared::WholeKey,
            IdStrategy::ProvidedInKey => Shared::IdOfKey,
            _ => Shared::Nothing,
        };
        Ok(())
    }
}

impl Documents<'_, '_> {
    fn change_value(&mut self, change: impl FnOnce(&mut Document) -> Result<()>) -> Result<()> {
        let Some(document) = self.value.as_mut() else { return Ok(()) };
        change(document)?;
        let id = match document.get("_id") {
            Some(Bson::Document(id)) if self.shared != Shared::Nothing && self.key_document.is_some() => id.clone(),
            _ => return Ok(()),
        };
        match (self.shared, self.key_document.as_mut()) {
            (Shared::WholeKey, Some(key)) => *key = id,
            (Shared::IdOfKey, Some(key)) if key.contains_key("_id") => drop(key.insert("_id", id)),
            _ => return Ok(()),
        }
        self.key_document.as_ref().map_or(Ok(()), |key| self.key.replace(key))
    }

    fn change_key(&mut self, change: impl FnOnce(&mut Document) -> Result<()>) -> Result<()> {
        if self.key_document.is_none() {
            self.key_document = self.key.get()?.map(decode).transpose()?;
        }
        let Some(key) = self.key_document.as_mut() else { return Ok(()) };
        change(key)?;
        self.key.replace(key)?;
        let id = match (self.shared, self.value.as_mut().and_then(|value| value.get_mut("_id"))) {
            (Shared::WholeKey, Some(id)) => id,
            (Shared::IdOfKey, Some(id @ Bson::Document(_))) => match key.get("_id") {
                Some(of_key) => {
                    *id = of_key.clone();
                    return Ok(());
                }
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        *id = Bson::Document(key.clone());
        Ok(())
    }
}

fn add_kafka_meta(on: &mut Documents<'_, '_>) -> Result<()> {
    let Some(document) = on.value.as_mut() else { return Ok(()) };
    document.insert(TOPIC_PARTITION_OFFSET, place(on.record, '-')?);
    if let Some(timestamp) = on.record.timestamp {
        document.insert(time_name(on.record.timestamp_type), timestamp);
    }
    Ok(())
}

/// The field in which [`Processor::AddKafkaMeta`] puts a record's time.
pub(super) fn time_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::None => "NO_TIMESTAMP_TYPE",
        TimestampType::CreateTime => "CREATE_TIME",
        TimestampType::LogAppendTime => "LOG_APPEND_TIME",
    }
}

fn decode(document: &RawDocument) -> Result<Document> {
    Document::try_from(document).map_err(|error| Error::data("not valid BSON").cause(&error))
}
