//! Handlers of change events: they apply the changes of another database.

mod change_stream;
mod debezium;
mod debezium_mongodb;
mod qlik;
#[cfg(test)]
mod tests;

use mongodb::bson::{Document, RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::encoder::Encoder;
use super::nulls::remove_nulls;
use crate::model::WriteModel;

/// Reads the change events of one kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Debezium's events of relational databases.
    DebeziumRdbms,
    /// Debezium's events of MongoDB before 2.0, with `patch`.
    DebeziumOplog,
    /// Debezium's events of MongoDB since 2.0, with `after`.
    DebeziumChangeStream,
    /// Events of MongoDB's own source connector.
    ChangeStream,
    /// Qlik Replicate's events of relational databases.
    QlikRdbms,
}

/// An event.
pub(crate) struct Event<'a> {
    pub(crate) key: Option<&'a RawDocument>,
    pub(crate) value: Option<&'a RawDocument>,
    pub(crate) scratch: &'a mut Encoder,
}

impl Handler {
    /// Whether it reads the key.
    pub(crate) fn reads_key(self) -> bool {
        self != Self::ChangeStream
    }

    /// The write that an event asks for; none for one that changes no document.
    ///
    /// # Errors
    /// `Data` when the event is not of its kind.
    pub(crate) fn handle(self, event: Event<'_>) -> Result<Option<WriteModel>> {
        match self {
            Self::DebeziumRdbms => debezium::rdbms(&event),
            Self::DebeziumOplog => debezium_mongodb::handle(event, false),
            Self::DebeziumChangeStream => debezium_mongodb::handle(event, true),
            Self::ChangeStream => change_stream::handle(&event),
            Self::QlikRdbms => qlik::rdbms(&event),
        }
    }
}

/// The same write without null fields; none if nothing is left of it.
///
/// # Errors
/// `Data` when it holds no valid document.
pub(crate) fn without_nulls(model: WriteModel) -> Result<Option<WriteModel>> {
    match model {
        WriteModel::ReplaceOne { filter, replacement, upsert } => {
            let mut document = decode(&replacement)?;
            remove_nulls(&mut document);
            let replacement = encode(&document)?;
            Ok((!document.is_empty()).then_some(WriteModel::ReplaceOne { filter, replacement, upsert }))
        }
        WriteModel::UpdateOne { filter, update, upsert } => {
            let mut document = decode(&update)?;
            let set = document.get_document_mut("$set").map(|set| {
                remove_nulls(set);
                set.is_empty()
            });
            if set.unwrap_or_default() {
                document.remove("$set");
            }
            let update = encode(&document)?;
            Ok((!document.is_empty()).then_some(WriteModel::UpdateOne { filter, update, upsert }))
        }
        other => Ok(Some(other)),
    }
}

fn decode(document: &RawDocument) -> Result<Document> {
    Document::try_from(document).map_err(|error| Error::data("not valid BSON").cause(&error))
}

fn encode(document: &Document) -> Result<RawDocumentBuf> {
    RawDocumentBuf::try_from(document).map_err(|error| Error::data("cannot write a document").cause(&error))
}

/// A new `_id` as an element, for an event that names none.
fn new_id() -> Vec<u8> {
    let mut id = b"\x07_id\0".to_vec();
    id.extend_from_slice(&mongodb::bson::oid::ObjectId::new().bytes());
    id
}

/// A field that must be a document.
fn document_in<'a>(event: &'a RawDocument, name: &str) -> Result<Option<&'a RawDocument>> {
    use mongodb::bson::RawBsonRef;
    match super::raw::get(event, name)? {
        None => Ok(None),
        Some(RawBsonRef::Document(document)) => Ok(Some(document)),
        Some(other) => Err(Error::data(format!("the event's {name} is a {:?}, not a document", other.element_type()))),
    }
}
