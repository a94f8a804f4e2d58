use mongodb::bson::spec::ElementType;
use mongodb::bson::{RawDocument, RawDocumentBuf};
use tributary_api::{Error, Result};

use super::encoder::Encoder;
use super::raw;

/// The parts of a document that is still to be written: its `_id` and its other fields, as BSON elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentParts<'a> {
    /// The element `_id`.
    pub(crate) id: Option<&'a [u8]>,
    /// The elements before and after the place where the document had an `_id` of its own.
    pub(crate) fields: [&'a [u8]; 2],
}

impl<'a> DocumentParts<'a> {
    /// Of a document that was encoded. `id` replaces its own.
    pub(crate) fn new(encoder: &'a Encoder, id: Option<&'a [u8]>) -> Self {
        let bytes = encoder.bytes();
        let end = bytes.len().saturating_sub(1);
        let Some(span) = encoder.id() else { return Self { id, fields: [bytes.get(4..end).unwrap_or_default(), &[]] } };
        Self {
            id: id.or_else(|| bytes.get(span.start..span.end)),
            fields: [&bytes[4..span.start], &bytes[span.end..end]],
        }
    }

    /// The `_id` when it is a document: its bytes.
    pub(crate) fn id_document(&self) -> Option<&'a RawDocument> {
        let id = self.id.filter(|id| id.first() == Some(&(ElementType::EmbeddedDocument as u8)))?;
        RawDocument::from_bytes(id.get(ID_NAME.len() + 1..)?).ok()
    }

    /// The document: `_id` first.
    pub(crate) fn document(&self) -> Result<RawDocumentBuf> {
        document(&[self.id.unwrap_or_default(), self.fields[0], self.fields[1]])
    }

    /// The document without its `_id`.
    pub(crate) fn without_id(&self) -> Result<RawDocumentBuf> {
        document(&self.fields)
    }

    /// A filter by the `_id`.
    pub(crate) fn filter(&self) -> Result<RawDocumentBuf> {
        let id = self.id.ok_or_else(|| Error::data("the document has no _id: a post processor has removed it"))?;
        document(&[id])
    }
}

/// The name of the field, as it follows the type.
pub(crate) const ID_NAME: &[u8] = b"_id\0";

/// A document of these elements.
pub(crate) fn document(elements: &[&[u8]]) -> Result<RawDocumentBuf> {
    let length = 5 + elements.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    append_document(&mut bytes, elements);
    raw_document(bytes)
}

/// A document of one field that is a document of these elements: `{"$set": {…}}`.
pub(crate) fn nested(name: &str, elements: &[&[u8]]) -> Vec<u8> {
    let length = 7 + name.len() + elements.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.push(ElementType::EmbeddedDocument as u8);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    append_document(&mut bytes, elements);
    bytes
}

fn append_document(bytes: &mut Vec<u8>, elements: &[&[u8]]) {
    let length = 5 + elements.iter().map(|part| part.len()).sum::<usize>();
    bytes.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes());
    elements.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.push(0);
}

fn raw_document(bytes: Vec<u8>) -> Result<RawDocumentBuf> {
    RawDocumentBuf::from_bytes(bytes).map_err(|error| Error::data("the document is too large").cause(&error))
}

/// The elements of a document, as one piece.
pub(crate) fn elements_of(document: &RawDocument) -> &[u8] {
    let bytes = document.as_bytes();
    bytes.get(4..bytes.len().saturating_sub(1)).unwrap_or_default()
}

/// A date as an element.
pub(crate) fn date_element(name: &str, milliseconds: i64) -> Vec<u8> {
    let mut element = vec![ElementType::DateTime as u8];
    element.extend_from_slice(name.as_bytes());
    element.push(0);
    element.extend_from_slice(&milliseconds.to_le_bytes());
    element
}

/// The elements of a document but for one.
pub(crate) fn without<'a>(document: &'a RawDocument, name: &str) -> Result<Vec<&'a [u8]>> {
    let mut kept = Vec::new();
    for element in raw::elements(document) {
        let element = element?;
        if element.name != name {
            kept.push(element.bytes);
        }
    }
    Ok(kept)
}
