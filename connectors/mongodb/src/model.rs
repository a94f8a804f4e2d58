use mongodb::bson::RawDocumentBuf;

/// A database and one of its collections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Namespace {
    pub(crate) database: String,
    pub(crate) collection: String,
}

/// One write to a namespace, made of one record. Documents are BSON bytes that are copied into the command. Documents
/// to insert and replacements have their `_id`, if any, first.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::enum_variant_names, reason = "the names are those of MongoDB's drivers")]
pub(crate) enum WriteModel {
    /// Inserts a document. It always has an `_id`, so that a repeated insert has the same one.
    InsertOne { document: RawDocumentBuf },
    /// Replaces the document that matches.
    ReplaceOne { filter: RawDocumentBuf, replacement: RawDocumentBuf, upsert: bool },
    /// Changes the document that matches by update operators.
    UpdateOne { filter: RawDocumentBuf, update: RawDocumentBuf, upsert: bool },
    /// Removes the document that matches.
    DeleteOne { filter: RawDocumentBuf },
}
