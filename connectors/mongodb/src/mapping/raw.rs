use mongodb::bson::raw::RawElement;
use mongodb::bson::{RawBsonRef, RawDocument};
use tributary_api::{Error, Result};

use super::encoder::Encoder;

/// An element of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    /// Type, name and value, as in the document.
    pub(crate) bytes: &'a [u8],
    pub(crate) value: RawBsonRef<'a>,
}

impl<'a> Element<'a> {
    /// The value, as in the document.
    pub(crate) fn value_bytes(&self) -> &'a [u8] {
        &self.bytes[self.name.len() + 2..]
    }
}

/// The elements of a document, in order.
pub(crate) fn elements(document: &RawDocument) -> impl Iterator<Item = Result<Element<'_>>> {
    let mut start = 4;
    document.iter_elements().map(move |element| {
        let element: RawElement<'_> = element.map_err(|error| invalid(&error))?;
        let name = element.key().as_str();
        let end = start + 1 + name.len() + 1 + element.size();
        let bytes =
            document.as_bytes().get(start..end).ok_or_else(|| Error::data("not valid BSON: it ends too early"))?;
        start = end;
        Ok(Element { name, bytes, value: element.value().map_err(|error| invalid(&error))? })
    })
}

/// The value of a field.
pub(crate) fn get<'a>(document: &'a RawDocument, name: &str) -> Result<Option<RawBsonRef<'a>>> {
    for element in elements(document) {
        let element = element?;
        if element.name == name {
            return Ok(Some(element.value));
        }
    }
    Ok(None)
}

/// Whether a document has no field.
pub(crate) fn is_empty(document: &RawDocument) -> bool {
    document.as_bytes().len() <= 5
}

/// Reads an untrusted document: all of it must be valid.
pub(crate) fn read(bytes: &[u8], out: &mut Encoder) -> Result<()> {
    let document = RawDocument::from_bytes(bytes).map_err(|error| invalid(&error))?;
    out.restart(true);
    write(document, out)?;
    out.finish()
}

fn write(document: &RawDocument, out: &mut Encoder) -> Result<()> {
    for element in elements(document) {
        let element = element?;
        out.name(element.name)?;
        value(&element, out)?;
    }
    Ok(())
}

fn value(element: &Element<'_>, out: &mut Encoder) -> Result<()> {
    match element.value {
        RawBsonRef::Document(document) => {
            out.begin_document()?;
            write(document, out)?;
            out.end();
        }
        RawBsonRef::Array(_) => {
            let items = RawDocument::from_bytes(element.value_bytes()).map_err(|error| invalid(&error))?;
            out.begin_array()?;
            for item in elements(items) {
                out.element();
                value(&item?, out)?;
            }
            out.end();
        }
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            let start = out.begin_scope(code.code)?;
            write(code.scope, out)?;
            out.end_scope(start);
        }
        other => out.value(other.element_type(), element.value_bytes()),
    }
    Ok(())
}

fn invalid(error: &mongodb::bson::error::Error) -> Error {
    Error::data("not valid BSON").cause(error)
}
