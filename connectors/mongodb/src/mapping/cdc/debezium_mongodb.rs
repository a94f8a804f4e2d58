use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::Event;
use super::debezium::{Operation, operation};
use crate::mapping::document_parts::{DocumentParts, document, elements_of, without};
use crate::mapping::encoder::Encoder;
use crate::mapping::{json, raw};
use crate::model::WriteModel;

/// A document's change. With `full`, an update has the whole document in `after`; else what to change in `patch`.
pub(super) fn handle(event: Event<'_>, full: bool) -> Result<Option<WriteModel>> {
    let no_key = || Error::data("the event has no key: its document is unknown");
    let key = event.key.filter(|key| !raw::is_empty(key)).ok_or_else(no_key)?;
    let Some(value) = event.value.filter(|value| !raw::is_empty(value)) else {
        // A tombstone.
        return if raw::get(key, "id")?.is_some() { Ok(None) } else { Err(Error::data("the event has no value")) };
    };
    let model = match operation(value)? {
        Operation::Schema => return Ok(None),
        Operation::Insert => insert(value, event.scratch)?,
        Operation::Delete => WriteModel::DeleteOne { filter: filter(key, event.scratch)? },
        Operation::Update if full => {
            let filter = filter(key, event.scratch)?;
            let replacement = replacement(value, event.scratch)?;
            WriteModel::ReplaceOne { filter, replacement, upsert: true }
        }
        Operation::Update => patch(key, value, event.scratch)?,
    };
    Ok(Some(model))
}

fn insert(value: &RawDocument, scratch: &mut Encoder) -> Result<WriteModel> {
    json::read(text(value, "after")?, scratch)?;
    let parts = DocumentParts::new(scratch, None);
    Ok(WriteModel::ReplaceOne { filter: parts.filter()?, replacement: parts.document()?, upsert: true })
}

fn replacement(value: &RawDocument, scratch: &mut Encoder) -> Result<RawDocumentBuf> {
    json::read(text(value, "after")?, scratch)?;
    DocumentParts::new(scratch, None).document()
}

/// A whole document, recognised by its `_id`, or update operators. `$v`, the version of the log's format, is no operator.
fn patch(key: &RawDocument, value: &RawDocument, scratch: &mut Encoder) -> Result<WriteModel> {
    json::read(text(value, "patch")?, scratch)?;
    let change = document(&without(scratch.document()?, "$v")?)?;
    if scratch.id().is_none() {
        return Ok(WriteModel::UpdateOne { filter: filter(key, scratch)?, update: change, upsert: false });
    }
    scratch.copy(&change)?;
    let parts = DocumentParts::new(scratch, None);
    Ok(WriteModel::ReplaceOne { filter: parts.filter()?, replacement: parts.document()?, upsert: true })
}

/// The key's `id` is the `_id` as JSON in text.
fn filter(key: &RawDocument, scratch: &mut Encoder) -> Result<RawDocumentBuf> {
    json::read(&format!("{{_id: {}}}", text(key, "id")?), scratch)?;
    document(&[elements_of(scratch.document()?)])
}

fn text<'a>(event: &'a RawDocument, name: &str) -> Result<&'a str> {
    match raw::get(event, name)? {
        Some(RawBsonRef::String(text)) => Ok(text),
        Some(_) => Err(Error::data(format!("the event's {name} is not JSON in text"))),
        None => Err(Error::data(format!("the event has no {name}"))),
    }
}
