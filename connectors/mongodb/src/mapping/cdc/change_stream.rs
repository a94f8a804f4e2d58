use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::{Event, document_in};
use crate::mapping::document_parts::{DocumentParts, document, elements_of, nested};
use crate::mapping::encoder::Encoder;
use crate::mapping::raw;
use crate::model::WriteModel;

/// A change of a document; none for events about collections and databases.
pub(super) fn handle(event: &Event<'_>) -> Result<Option<WriteModel>> {
    let Some(value) = event.value.filter(|value| !raw::is_empty(value)) else { return Ok(None) };
    let kind = match raw::get(value, "operationType")? {
        Some(RawBsonRef::String(kind)) => kind,
        Some(_) => return Err(Error::data("the event's operationType is not text")),
        None => return Err(Error::data("the event has no operationType: is it one of MongoDB's source connector?")),
    };
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    if is("insert") || is("replace") {
        let replacement = document_in(value, "fullDocument")?.ok_or_else(|| missing("fullDocument"))?;
        return Ok(Some(WriteModel::ReplaceOne {
            filter: key(value)?,
            replacement: id_first(replacement)?,
            upsert: true,
        }));
    }
    if is("delete") {
        return Ok(Some(WriteModel::DeleteOne { filter: key(value)? }));
    }
    if is("update") {
        return update(value).map(Some);
    }
    tracing::debug!(operation = kind, "a change that is about no document is passed over");
    Ok(None)
}

/// The current document, if the event has it: it is not upserted, because the document may have been deleted since, in
/// which case it is null.
fn update(value: &RawDocument) -> Result<WriteModel> {
    let filter = key(value)?;
    match raw::get(value, "fullDocument")? {
        None | Some(RawBsonRef::Null) => Ok(WriteModel::UpdateOne { filter, update: operators(value)?, upsert: false }),
        Some(_) => {
            let replacement = document_in(value, "fullDocument")?.ok_or_else(|| missing("fullDocument"))?;
            Ok(WriteModel::ReplaceOne { filter, replacement: id_first(replacement)?, upsert: false })
        }
    }
}

/// What to set and what to remove.
fn operators(value: &RawDocument) -> Result<RawDocumentBuf> {
    let description = document_in(value, "updateDescription")?.ok_or_else(|| missing("updateDescription"))?;
    for element in raw::elements(description) {
        let element = element?;
        let (name, right) = match element.name {
            name @ ("updatedFields" | "disambiguatedPaths") => (name, matches!(element.value, RawBsonRef::Document(_))),
            name @ ("removedFields" | "truncatedArrays") => (name, matches!(element.value, RawBsonRef::Array(_))),
            // An unknown field cannot be ignored without losing a part of the change.
            name => {
                return Err(Error::data(format!(
                    "the event's updateDescription has a field that is not known: {name}"
                )));
            }
        };
        if !right {
            return Err(Error::data(format!("the event's updateDescription.{name} is of the wrong type")));
        }
    }
    let set = document_in(description, "updatedFields")?.ok_or_else(|| missing("updateDescription.updatedFields"))?;
    let Some(RawBsonRef::Array(removed)) = raw::get(description, "removedFields")? else {
        return Err(missing("updateDescription.removedFields"));
    };
    let mut unset = Encoder::default();
    unset.restart(true);
    for name in removed {
        match name {
            Ok(RawBsonRef::String(name)) => unset.name(name)?,
            _ => {
                return Err(Error::data("the event's updateDescription.removedFields has an element that is not text"));
            }
        }
        unset.string("");
    }
    unset.finish()?;
    let set = nested("$set", &[elements_of(set)]);
    let unset = unset.document()?;
    if raw::is_empty(unset) { document(&[&set]) } else { document(&[&set, &nested("$unset", &[elements_of(unset)])]) }
}

fn key(value: &RawDocument) -> Result<RawDocumentBuf> {
    document_in(value, "documentKey")?.map(ToOwned::to_owned).ok_or_else(|| missing("documentKey"))
}

fn id_first(replacement: &RawDocument) -> Result<RawDocumentBuf> {
    let mut encoder = Encoder::default();
    encoder.copy(replacement)?;
    DocumentParts::new(&encoder, None).document()
}

fn missing(name: &str) -> Error {
    Error::data(format!("the event has no {name}"))
}
