use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Record, Result};

use super::document_parts::{DocumentParts, date_element, document, elements_of, nested};
use super::encoder::Encoder;
use super::ids::IdStrategy;
use super::key::KeyDocument;
use super::raw;
use crate::model::WriteModel;

/// How a document becomes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteStrategy {
    /// Inserts it.
    InsertOne,
    /// Replaces the one of the same `_id`, or inserts it.
    ReplaceOne,
    /// Replaces the one that has the fields of the `_id`, or inserts it with an `_id` of the server's.
    ReplaceOneBusinessKey,
    /// Sets its fields in the one of the same `_id`, or inserts it.
    UpdateOne,
    /// The same, and sets when.
    UpdateOneTimestamps,
    /// Sets its fields and when in the one that has the fields of the `_id`, or inserts it.
    UpdateOneBusinessKeyTimestamp,
    /// Deletes the one whose `_id` is the key, or the key's.
    DeleteOneByKey,
    /// Deletes the one whose `_id` the id strategy makes of the key.
    DeleteOneById,
    /// Deletes the one that has the fields of the `_id`.
    DeleteOneBusinessKey,
    /// Deletes the one that has the fields that the id strategy takes from the key.
    DeleteOneTombstoneBusinessKey,
}

/// The input of a write strategy.
pub(crate) struct ModelInput<'a, 'k> {
    pub(crate) record: &'a Record,
    pub(crate) key: &'a mut KeyDocument<'k>,
    /// The value's document, if the record has a value.
    pub(crate) parts: Option<DocumentParts<'a>>,
    pub(crate) ids: &'a IdStrategy,
    pub(crate) scratch: &'a mut Encoder,
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
}

impl WriteStrategy {
    /// Whether the write is made of the key.
    pub(crate) fn reads_key(self) -> bool {
        matches!(self, Self::DeleteOneByKey | Self::DeleteOneById | Self::DeleteOneTombstoneBusinessKey)
    }

    /// The write.
    ///
    /// # Errors
    /// `Data` when something it needs is missing.
    pub(crate) fn model(self, with: ModelInput<'_, '_>) -> Result<WriteModel> {
        match self {
            Self::DeleteOneByKey => delete_by_key(with),
            Self::DeleteOneById => delete_by_id(with),
            Self::DeleteOneTombstoneBusinessKey => delete_tombstone(with),
            _ => {
                let missing =
                    || Error::data("the record has no value to write: choose another delete.writemodel.strategy");
                let parts = with.parts.ok_or_else(missing)?;
                self.of_value(parts, with.ids.is_partial(), with.scratch, with.now)
            }
        }
    }

    fn of_value(self, parts: DocumentParts<'_>, partial: bool, scratch: &mut Encoder, now: i64) -> Result<WriteModel> {
        let upsert = true;
        match self {
            Self::InsertOne => Ok(WriteModel::InsertOne { document: with_id(&parts)? }),
            Self::ReplaceOne => {
                Ok(WriteModel::ReplaceOne { filter: parts.filter()?, replacement: parts.document()?, upsert })
            }
            Self::ReplaceOneBusinessKey => {
                let filter = business_key(&parts, partial, scratch)?;
                Ok(WriteModel::ReplaceOne { filter, replacement: parts.without_id()?, upsert })
            }
            Self::UpdateOne => {
                let update = document(&[&nested("$set", &parts.fields)])?;
                Ok(WriteModel::UpdateOne { filter: parts.filter()?, update, upsert })
            }
            Self::UpdateOneTimestamps => {
                Ok(WriteModel::UpdateOne { filter: parts.filter()?, update: stamped(&parts.document()?, now)?, upsert })
            }
            Self::UpdateOneBusinessKeyTimestamp => {
                let filter = business_key(&parts, partial, scratch)?;
                Ok(WriteModel::UpdateOne { filter, update: stamped(&parts.without_id()?, now)?, upsert })
            }
            _ => Ok(WriteModel::DeleteOne { filter: business_key(&parts, partial, scratch)? }),
        }
    }
}

/// A document whose `_id` was removed by a step gets a new one here, so that a repeated insert has the same one.
fn with_id(parts: &DocumentParts<'_>) -> Result<RawDocumentBuf> {
    if parts.id.is_some() {
        return parts.document();
    }
    let mut id = b"\x07_id\0".to_vec();
    id.extend_from_slice(&ObjectId::new().bytes());
    document(&[&id, parts.fields[0], parts.fields[1]])
}

fn stamped(fields: &RawDocument, now: i64) -> Result<RawDocumentBuf> {
    let modified = date_element("_modifiedTS", now);
    let mut set = Vec::new();
    let mut stamped = false;
    for element in raw::elements(fields) {
        let element = element?;
        let is_stamp = element.name == "_modifiedTS";
        stamped |= is_stamp;
        set.push(if is_stamp { &*modified } else { element.bytes });
    }
    if !stamped {
        set.push(&modified);
    }
    document(&[&nested("$set", &set), &nested("$setOnInsert", &[&date_element("_insertedTS", now)])])
}

/// The fields of the `_id` as a filter; those of a projected one by their paths.
fn business_key(parts: &DocumentParts<'_>, partial: bool, scratch: &mut Encoder) -> Result<RawDocumentBuf> {
    let wrong = "the _id is not a document of the business key's fields: choose a document.id.strategy that creates \
                 one, and set document.id.strategy.overwrite.existing=true if the value has its own _id";
    let id = parts.id_document().ok_or_else(|| Error::data(wrong))?;
    if partial { flattened(id, scratch) } else { Ok(id.to_owned()) }
}

fn flattened(fields: &RawDocument, out: &mut Encoder) -> Result<RawDocumentBuf> {
    out.restart(true);
    flatten("", fields, out)?;
    out.finish()?;
    document(&[elements_of(out.document()?)])
}

fn flatten(above: &str, fields: &RawDocument, out: &mut Encoder) -> Result<()> {
    for element in raw::elements(fields) {
        let element = element?;
        let path = format!("{above}{}", element.name);
        if let RawBsonRef::Document(inner) = element.value {
            flatten(&format!("{path}."), inner, out)?;
        } else {
            out.name(&path)?;
            out.value(element.value.element_type(), element.value_bytes());
        }
    }
    Ok(())
}

fn no_key() -> Error {
    Error::data("the record has no key: the document to delete is unknown")
}

fn delete_by_key(with: ModelInput<'_, '_>) -> Result<WriteModel> {
    let key = with.key.get()?.ok_or_else(no_key)?;
    let filter = match raw::get(key, "_id")? {
        Some(_) => key.to_owned(),
        None => document(&[&nested("_id", &[elements_of(key)])])?,
    };
    Ok(WriteModel::DeleteOne { filter })
}

fn delete_by_id(with: ModelInput<'_, '_>) -> Result<WriteModel> {
    if !with.key.is_there() {
        return Err(no_key());
    }
    let mut id = Vec::new();
    with.ids.element(with.record, with.key, None, with.scratch, &mut id)?;
    Ok(WriteModel::DeleteOne { filter: document(&[&id])? })
}

fn delete_tombstone(with: ModelInput<'_, '_>) -> Result<WriteModel> {
    let IdStrategy::PartialKey(projection) = with.ids else {
        let what = "DeleteOneTombstoneBusinessKeyStrategy needs PartialKeyStrategy as the document.id.strategy";
        return Err(Error::data(what));
    };
    let key = with.key.get()?.ok_or_else(no_key)?;
    let fields = projection.project(key, with.scratch)?.to_vec();
    let fields = RawDocumentBuf::from_bytes(fields).map_err(|error| Error::data("not valid BSON").cause(&error))?;
    Ok(WriteModel::DeleteOne { filter: flattened(&fields, with.scratch)? })
}
