use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::{Event, document_in, new_id};
use crate::mapping::document_parts::{document, elements_of, nested};
use crate::mapping::raw;
use crate::model::WriteModel;

/// A row's change: the document's `_id` is made of the key's fields.
pub(super) fn rdbms(event: &Event<'_>) -> Result<Option<WriteModel>> {
    // A tombstone.
    let Some(value) = event.value.filter(|value| !raw::is_empty(value)) else { return Ok(None) };
    let message = inner(value, "message")?;
    let key = event.key.filter(|key| !raw::is_empty(key)).map(by_id).transpose()?;
    let kind = operation(message)?;
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    if is("insert") || is("refresh") || is("read") {
        let filter = match key {
            Some(filter) => filter,
            None => document(&[&new_id()])?,
        };
        let replacement = replacement(&filter, inner(message, "data")?)?;
        return Ok(Some(WriteModel::ReplaceOne { filter, replacement, upsert: true }));
    }
    if is("update") {
        let filter = match key {
            Some(filter) => filter,
            None => filled(inner(message, "beforeData")?)?,
        };
        let update = changes(inner(message, "beforeData")?, inner(message, "data")?)?;
        return Ok(update.map(|update| WriteModel::UpdateOne { filter, update, upsert: true }));
    }
    if is("delete") {
        let filter = match key {
            Some(filter) => filter,
            None => filled(inner_or_null(inner_or_null(message, "data")?, "beforeData")?)?,
        };
        return Ok(Some(WriteModel::DeleteOne { filter }));
    }
    Err(Error::data(format!("the event's operation {kind:?} is not one of insert, refresh, read, update and delete")))
}

/// In `headers.operation`, `headers_operation` or `operation`, with the headers at either level.
fn operation(message: &RawDocument) -> Result<&str> {
    let headers = inner(message, "headers")?;
    let found = match raw::get(headers, "operation")? {
        Some(operation) => Some(operation),
        None => raw::get(headers, "headers_operation")?,
    };
    match found {
        Some(RawBsonRef::String(operation)) => Ok(operation),
        _ => Err(Error::data("the event has no operation: is it one of Qlik Replicate?")),
    }
}

fn by_id(key: &RawDocument) -> Result<RawDocumentBuf> {
    document(&[&nested("_id", &[elements_of(key)])])
}

/// The document in a field; where there is no such field, the fields are the document's own.
fn inner<'a>(outer: &'a RawDocument, name: &str) -> Result<&'a RawDocument> {
    Ok(document_in(outer, name)?.unwrap_or(outer))
}

fn inner_or_null<'a>(outer: &'a RawDocument, name: &str) -> Result<&'a RawDocument> {
    match raw::get(outer, name)? {
        Some(RawBsonRef::Null) => Ok(outer),
        _ => inner(outer, name),
    }
}

fn filled(filter: &RawDocument) -> Result<RawDocumentBuf> {
    if raw::is_empty(filter) {
        return Err(Error::data("the event has neither a key nor the row before the change: its document is unknown"));
    }
    Ok(filter.to_owned())
}

fn replacement(filter: &RawDocument, data: &RawDocument) -> Result<RawDocumentBuf> {
    let own_id = raw::get(data, "_id")?.is_some();
    let id = if own_id { &[] } else { elements_of(filter) };
    document(&[id, elements_of(data)])
}

/// The fields that are not as before.
fn changes(before: &RawDocument, after: &RawDocument) -> Result<Option<RawDocumentBuf>> {
    if raw::is_empty(after) {
        return Err(Error::data("the event has no row after the change"));
    }
    let mut changed = Vec::new();
    for element in raw::elements(after) {
        let element = element?;
        let same = raw::elements(before).filter_map(Result::ok).any(|old| old.bytes == element.bytes);
        if !same {
            changed.push(element.bytes);
        }
    }
    if changed.is_empty() { Ok(None) } else { document(&[&nested("$set", &changed)]).map(Some) }
}
