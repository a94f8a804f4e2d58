use std::io::Write as _;

use mongodb::bson::{RawDocument, RawDocumentBuf, spec::ElementType};
use tributary_api::{Error, Result};

/// Writes a BSON document from front to back into one buffer: statements are copied into a command once, as bytes.
/// Names contain no NUL, because all of them are constants of this crate.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// Where the documents and arrays that are not closed yet begin.
    open: Vec<usize>,
}

impl Encoder {
    /// An empty document in a buffer that holds so many bytes without growing.
    pub(super) fn new(capacity: usize) -> Self {
        let mut encoder = Self { bytes: Vec::with_capacity(capacity), open: Vec::with_capacity(4) };
        encoder.begin();
        encoder
    }

    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.element(ElementType::String, name);
        self.length(value.len() + 1);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.element(ElementType::Boolean, name);
        self.bytes.push(u8::from(value));
    }

    pub(super) fn int32(&mut self, name: &str, value: i32) {
        self.element(ElementType::Int32, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn int64(&mut self, name: &str, value: i64) {
        self.element(ElementType::Int64, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn document(&mut self, name: &str, value: &RawDocument) {
        self.element(ElementType::EmbeddedDocument, name);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Opens an array; what follows up to [`end`](Self::end) are its items.
    pub(super) fn begin_array(&mut self, name: &str) {
        self.element(ElementType::Array, name);
        self.begin();
    }

    /// Opens a document as the item of an array.
    pub(super) fn begin_item(&mut self, index: usize) {
        self.item(index);
        self.begin();
    }

    /// A whole document as the item of an array.
    pub(super) fn item_document(&mut self, index: usize, value: &RawDocument) {
        self.item(index);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Closes what was opened last.
    pub(super) fn end(&mut self) {
        self.bytes.push(0);
        let Some(start) = self.open.pop() else { return };
        let length = i32::try_from(self.bytes.len() - start).unwrap_or(i32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The document; everything opened in it must be closed.
    ///
    /// # Errors
    /// `Fatal` when it is longer than BSON allows.
    pub(super) fn finish(mut self) -> Result<RawDocumentBuf> {
        self.end();
        RawDocumentBuf::from_bytes(self.bytes).map_err(|error| Error::fatal("cannot encode a command").cause(&error))
    }

    fn begin(&mut self) {
        self.open.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn item(&mut self, index: usize) {
        self.bytes.push(ElementType::EmbeddedDocument as u8);
        // Into a vector: cannot fail.
        let _ = write!(self.bytes, "{index}");
        self.bytes.push(0);
    }

    fn element(&mut self, kind: ElementType, name: &str) {
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }

    fn length(&mut self, bytes: usize) {
        self.bytes.extend_from_slice(&i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Document, doc, rawdoc};

    use super::*;

    #[test]
    fn writes_what_the_library_reads() {
        let mut encoder = Encoder::new(0);
        encoder.string("update", "käse");
        encoder.boolean("ordered", true);
        encoder.begin_array("updates");
        for index in 0..12 {
            encoder.begin_item(index);
            encoder.document("q", &rawdoc! { "_id": 1 });
            encoder.int32("n", -1);
            encoder.end();
        }
        encoder.item_document(12, &rawdoc! { "whole": true });
        encoder.end();
        encoder.int64("txnNumber", 1 << 40);
        let document = Document::try_from(encoder.finish().unwrap()).unwrap();
        let mut items = vec![doc! { "q": { "_id": 1 }, "n": -1 }; 12];
        items.push(doc! { "whole": true });
        assert_eq!(document, doc! { "update": "käse", "ordered": true, "updates": items, "txnNumber": 1_i64 << 40 });
    }
}
