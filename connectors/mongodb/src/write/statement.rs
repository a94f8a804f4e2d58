//! Builds commands from writes: one for each kind of write to a collection, or MongoDB 8.0's `bulkWrite` for all of
//! them.

use std::sync::Arc;

use mongodb::bson::{RawDocument, RawDocumentBuf};
use tributary_api::Result;

use super::encode::Encoder;
use crate::model::{Namespace, WriteModel};

/// The maximum overhead of a statement in a command, in bytes.
pub(super) const STATEMENT_OVERHEAD: usize = 96;
/// The maximum overhead of a command, in bytes, including the driver's fields.
const COMMAND_OVERHEAD: usize = 1024;

/// The three commands that write to a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

impl Kind {
    pub(super) fn of(model: &WriteModel) -> Self {
        match model {
            WriteModel::InsertOne { .. } => Self::Insert,
            WriteModel::ReplaceOne { .. } | WriteModel::UpdateOne { .. } => Self::Update,
            WriteModel::DeleteOne { .. } => Self::Delete,
        }
    }

    /// The command, and its array of statements.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Insert => ("insert", "documents"),
            Self::Update => ("update", "updates"),
            Self::Delete => ("delete", "deletes"),
        }
    }
}

/// The fields of a command except its statements.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) ordered: bool,
    /// Omitted in a transaction, which has its own.
    pub(super) write_concern: Option<&'a RawDocument>,
    /// The number by which the server recognises the command if it is sent twice.
    pub(super) number: Option<i64>,
}

/// The documents of a write, in bytes.
pub(super) fn size(model: &WriteModel) -> usize {
    let length = |document: &RawDocumentBuf| document.as_bytes().len();
    match model {
        WriteModel::InsertOne { document } => length(document),
        WriteModel::ReplaceOne { filter, replacement, .. } => length(filter) + length(replacement),
        WriteModel::UpdateOne { filter, update, .. } => length(filter) + length(update),
        WriteModel::DeleteOne { filter } => length(filter),
    }
}

/// The longest document of a write, in bytes.
pub(super) fn longest(model: &WriteModel) -> usize {
    let (one, other) = match model {
        WriteModel::InsertOne { document } => (document, None),
        WriteModel::ReplaceOne { filter, replacement, .. } => (replacement, Some(filter)),
        WriteModel::UpdateOne { filter, update, .. } => (update, Some(filter)),
        WriteModel::DeleteOne { filter } => (filter, None),
    };
    one.as_bytes().len().max(other.map_or(0, |document| document.as_bytes().len()))
}

/// An `insert`, `update` or `delete` of writes of that kind to one collection.
///
/// # Errors
/// `Fatal` when it is longer than BSON can say.
pub(super) fn single<'a>(
    collection: &str,
    kind: Kind,
    models: impl Iterator<Item = &'a WriteModel> + Clone,
    frame: &Frame<'_>,
) -> Result<RawDocumentBuf> {
    let (command, statements) = kind.names();
    let mut encoder = Encoder::new(capacity(models.clone()));
    encoder.string(command, collection);
    frame.encode(&mut encoder);
    encoder.begin_array(statements);
    for (index, model) in models.enumerate() {
        if let WriteModel::InsertOne { document } = model {
            encoder.item_document(index, document);
            continue;
        }
        encoder.begin_item(index);
        match model {
            WriteModel::InsertOne { .. } => {}
            WriteModel::ReplaceOne { filter, replacement: document, upsert }
            | WriteModel::UpdateOne { filter, update: document, upsert } => {
                encoder.document("q", filter);
                encoder.document("u", document);
                if *upsert {
                    encoder.boolean("upsert", true);
                }
            }
            WriteModel::DeleteOne { filter } => {
                encoder.document("q", filter);
                encoder.int32("limit", 1);
            }
        }
        encoder.end();
    }
    encoder.end();
    encoder.finish()
}

/// A `bulkWrite` of writes of any kind to any collections, which answers with the failures only.
///
/// # Errors
/// `Fatal` when it is longer than BSON can say.
pub(super) fn bulk<'a>(
    writes: impl Iterator<Item = (&'a Arc<Namespace>, &'a WriteModel)> + Clone,
    frame: &Frame<'_>,
) -> Result<RawDocumentBuf> {
    let mut namespaces: Vec<&Namespace> = Vec::new();
    let mut encoder = Encoder::new(capacity(writes.clone().map(|(_, model)| model)));
    encoder.int32("bulkWrite", 1);
    frame.encode(&mut encoder);
    encoder.boolean("errorsOnly", true);
    encoder.begin_array("ops");
    for (index, (namespace, model)) in writes.enumerate() {
        let namespace = position(&mut namespaces, namespace);
        encoder.begin_item(index);
        match model {
            WriteModel::InsertOne { document } => {
                encoder.int32("insert", namespace);
                encoder.document("document", document);
            }
            WriteModel::ReplaceOne { filter, replacement: document, upsert }
            | WriteModel::UpdateOne { filter, update: document, upsert } => {
                encoder.int32("update", namespace);
                encoder.document("filter", filter);
                encoder.document("updateMods", document);
                encoder.boolean("multi", false);
                if *upsert {
                    encoder.boolean("upsert", true);
                }
            }
            WriteModel::DeleteOne { filter } => {
                encoder.int32("delete", namespace);
                encoder.document("filter", filter);
                encoder.boolean("multi", false);
            }
        }
        encoder.end();
    }
    encoder.end();
    encoder.begin_array("nsInfo");
    for (index, namespace) in namespaces.into_iter().enumerate() {
        encoder.begin_item(index);
        encoder.string("ns", &namespace.to_string());
        encoder.end();
    }
    encoder.end();
    encoder.finish()
}

/// The place of a namespace in the list, at the end if it is new. Records of one collection most often follow each
/// other.
fn position<'a>(namespaces: &mut Vec<&'a Namespace>, namespace: &'a Namespace) -> i32 {
    let place = namespaces.iter().rposition(|known| std::ptr::eq(*known, namespace) || *known == namespace);
    let place = place.unwrap_or_else(|| {
        namespaces.push(namespace);
        namespaces.len() - 1
    });
    i32::try_from(place).unwrap_or(i32::MAX)
}

fn capacity<'a>(models: impl Iterator<Item = &'a WriteModel>) -> usize {
    COMMAND_OVERHEAD + models.map(|model| size(model) + STATEMENT_OVERHEAD).sum::<usize>()
}

impl Frame<'_> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.boolean("ordered", self.ordered);
        if let Some(concern) = self.write_concern {
            encoder.document("writeConcern", concern);
        }
        if let Some(number) = self.number {
            encoder.int64("txnNumber", number);
        }
    }
}
