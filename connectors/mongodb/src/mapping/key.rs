use mongodb::bson::{Document, RawDocument};
use tributary_api::{Datum, Result};

use super::encoder::Encoder;
use super::values;

/// The document of a record's key, decoded lazily, because many records are written without it.
#[derive(Debug)]
pub(crate) struct KeyDocument<'a> {
    datum: &'a Datum,
    encoder: &'a mut Encoder,
    made: bool,
}

impl<'a> KeyDocument<'a> {
    pub(crate) fn new(datum: &'a Datum, encoder: &'a mut Encoder) -> Self {
        Self { datum, encoder, made: false }
    }

    /// Whether the record has a key.
    pub(crate) fn is_there(&self) -> bool {
        !self.datum.value.is_null()
    }

    /// The document, if the record has a key.
    ///
    /// # Errors
    /// `Data` when no document can be made of it.
    pub(crate) fn get(&mut self) -> Result<Option<&RawDocument>> {
        if !self.is_there() {
            return Ok(None);
        }
        if !self.made {
            let made = values::encode(self.datum, self.encoder);
            made.map_err(|error| error.context("cannot make a document of the key"))?;
            self.made = true;
        }
        self.encoder.document().map(Some)
    }

    /// Puts a changed document in its place.
    pub(crate) fn replace(&mut self, document: &Document) -> Result<()> {
        self.made = true;
        self.encoder.load(document)
    }
}
