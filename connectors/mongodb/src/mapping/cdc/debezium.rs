use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::{Event, new_id};
use crate::mapping::document_parts::{document, elements_of, nested};
use crate::mapping::raw;
use crate::model::WriteModel;

/// The operation of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `c`, and `r` for a row of the snapshot.
    Insert,
    /// `u`.
    Update,
    /// `d`.
    Delete,
    /// A change of the schema: no `op`, but `ddl`.
    Schema,
}

/// The operation of an event.
///
/// # Errors
/// `Data` when it is none of these.
pub(super) fn operation(event: &RawDocument) -> Result<Operation> {
    match raw::get(event, "op")? {
        None if raw::get(event, "ddl")?.is_some() => Ok(Operation::Schema),
        Some(RawBsonRef::String("c" | "r")) => Ok(Operation::Insert),
        Some(RawBsonRef::String("u")) => Ok(Operation::Update),
        Some(RawBsonRef::String("d")) => Ok(Operation::Delete),
        Some(RawBsonRef::String(other)) => {
            Err(Error::data(format!("the event's op {other:?} is not one of c, r, u and d")))
        }
        _ => Err(Error::data(
            "the event has no op: is it Debezium's, with its whole envelope (no ExtractNewRecordState)?",
        )),
    }
}

/// A row's change: the document's `_id` is made of the key's fields.
pub(super) fn rdbms(event: &Event<'_>) -> Result<Option<WriteModel>> {
    // A tombstone.
    let Some(value) = event.value.filter(|value| !raw::is_empty(value)) else { return Ok(None) };
    let key = event.key.filter(|key| !raw::is_empty(key));
    let operation = operation(value)?;
    match operation {
        Operation::Schema => Ok(None),
        Operation::Delete => Ok(Some(WriteModel::DeleteOne { filter: filter(key, value, operation)? })),
        Operation::Insert | Operation::Update => {
            let filter = filter(key, value, operation)?;
            let replacement = replacement(key, value, &filter)?;
            Ok(Some(WriteModel::ReplaceOne { filter, replacement, upsert: true }))
        }
    }
}

/// By the key's fields; for a table without a key by all fields of the row.
fn filter(key: Option<&RawDocument>, event: &RawDocument, operation: Operation) -> Result<RawDocumentBuf> {
    if let Some(key) = key {
        return document(&[&nested("_id", &[elements_of(key)])]);
    }
    if operation == Operation::Insert {
        return document(&[&new_id()]);
    }
    match raw::get(event, "before")? {
        Some(RawBsonRef::Document(before)) if !raw::is_empty(before) => Ok(before.to_owned()),
        _ => Err(Error::data(
            "the event has neither a key nor the row before the change: its document is unknown (PostgreSQL: set \
             REPLICA IDENTITY FULL)",
        )),
    }
}

fn replacement(key: Option<&RawDocument>, event: &RawDocument, filter: &RawDocument) -> Result<RawDocumentBuf> {
    let after = match raw::get(event, "after")? {
        Some(RawBsonRef::Document(after)) if !raw::is_empty(after) => after,
        _ => return Err(Error::data("the event has no row after the change")),
    };
    let mut fields = Vec::new();
    for element in raw::elements(after) {
        let element = element?;
        let in_key = key.map(|key| raw::get(key, element.name)).transpose()?.flatten().is_some();
        if !in_key {
            fields.push(element);
        }
    }
    let own_id = fields.iter().any(|element| element.name == "_id");
    let mut parts = Vec::with_capacity(fields.len() + 1);
    for element in raw::elements(filter) {
        let element = element?;
        if element.name == "_id" && !own_id {
            parts.push(element.bytes);
        }
    }
    parts.extend(fields.iter().map(|element| element.bytes));
    document(&parts)
}
