//! Post processors that work on a document's bytes, from one buffer into another, without decoding the document.

#[cfg(test)]
mod tests;

use mongodb::bson::spec::ElementType;
use mongodb::bson::{Bson, RawBsonRef, RawDocument};
use tributary_api::{Error, Record, Result};

use super::chain::{Chain, MappingBuffers, Processor, TOPIC_PARTITION_OFFSET, time_name};
use super::document_parts::DocumentParts;
use super::encoder::Encoder;
use super::ids::place;
use super::key::KeyDocument;
use super::raw::{self, Element};
use super::times::DateFormat;

/// Applies the steps of a chain whose steps all [are passes](Processor::is_pass).
///
/// # Errors
/// `Data` when a step fails.
pub(super) fn run(
    chain: &Chain,
    record: &Record,
    key: &mut KeyDocument<'_>,
    buffers: &mut MappingBuffers<'_>,
) -> Result<()> {
    for step in &chain.steps {
        let from = buffers.value.document()?;
        match step {
            Processor::AddId => {
                if !chain.adds_id(buffers.value.id().is_some()) {
                    continue;
                }
                chain.ids.element(record, key, Some(from), buffers.scratch, buffers.id)?;
                let [before, behind] = DocumentParts::new(buffers.value, None).fields;
                buffers.spare.join(before, buffers.id, behind);
            }
            Processor::AddKafkaMeta => add_kafka_meta(record, from, buffers.spare)?,
            Processor::RemoveNulls => {
                buffers.spare.restart(false);
                copy_without_nulls(from, buffers.spare)?;
                buffers.spare.finish()?;
            }
            Processor::ProjectValue(projection) => projection.pass(from, buffers.spare)?,
            Processor::Rename(renamer) => {
                // A key that is no document fails the record, as in Java, although nothing in it is renamed.
                key.get()?;
                renamer.pass("value", from, buffers.spare)?;
            }
            Processor::ConvertTime { field, format } => {
                if !convert_time(field, format, from, buffers.spare)? {
                    continue;
                }
            }
            Processor::ProjectKey(_) => continue,
        }
        std::mem::swap(buffers.value, buffers.spare);
    }
    Ok(())
}

/// The same for a record without a value: there is nothing to change.
///
/// # Errors
/// `Data` when the key is no document, and a step looks at it.
pub(super) fn run_without_value(chain: &Chain, key: &mut KeyDocument<'_>) -> Result<()> {
    if chain.steps.iter().any(|step| matches!(step, Processor::Rename(_))) {
        key.get()?;
    }
    Ok(())
}

/// Copies an element as it is.
pub(super) fn copy(element: &Element<'_>, out: &mut Encoder) -> Result<()> {
    out.name(element.name)?;
    out.value(element.value.element_type(), element.value_bytes());
    Ok(())
}

/// Copies an array, the documents in it by `each`.
pub(super) fn copy_items(
    array: &Element<'_>,
    out: &mut Encoder,
    mut each: impl FnMut(&RawDocument, &mut Encoder) -> Result<()>,
) -> Result<()> {
    let items = RawDocument::from_bytes(array.value_bytes());
    let items = items.map_err(|error| Error::data("not valid BSON").cause(&error))?;
    out.begin_array()?;
    for item in raw::elements(items) {
        let item = item?;
        out.element();
        if let RawBsonRef::Document(inner) = item.value {
            out.begin_document()?;
            each(inner, out)?;
            out.end();
        } else {
            out.value(item.value.element_type(), item.value_bytes());
        }
    }
    out.end();
    Ok(())
}

fn copy_without_nulls(document: &RawDocument, out: &mut Encoder) -> Result<()> {
    for element in raw::elements(document) {
        let element = element?;
        match element.value {
            RawBsonRef::Null => {}
            RawBsonRef::Document(inner) => {
                out.name(element.name)?;
                out.begin_document()?;
                copy_without_nulls(inner, out)?;
                out.end();
            }
            RawBsonRef::Array(_) => {
                out.name(element.name)?;
                copy_items(&element, out, copy_without_nulls)?;
            }
            _ => copy(&element, out)?,
        }
    }
    Ok(())
}

fn add_kafka_meta(record: &Record, document: &RawDocument, out: &mut Encoder) -> Result<()> {
    let place = place(record, '-')?;
    let time = record.timestamp.map(|time| (time_name(record.timestamp_type), time));
    let (mut has_place, mut has_time) = (false, time.is_none());
    out.restart(false);
    for element in raw::elements(document) {
        let element = element?;
        if element.name == TOPIC_PARTITION_OFFSET {
            has_place = true;
            put_text(TOPIC_PARTITION_OFFSET, &place, out)?;
        } else if let Some((name, time)) = time.filter(|(name, _)| *name == element.name) {
            has_time = true;
            put_number(name, time, out)?;
        } else {
            copy(&element, out)?;
        }
    }
    if !has_place {
        put_text(TOPIC_PARTITION_OFFSET, &place, out)?;
    }
    if let Some((name, time)) = time.filter(|_| !has_time) {
        put_number(name, time, out)?;
    }
    out.finish()
}

fn put_text(name: &str, text: &str, out: &mut Encoder) -> Result<()> {
    out.name(name)?;
    out.string(text);
    Ok(())
}

fn put_number(name: &str, number: i64, out: &mut Encoder) -> Result<()> {
    out.name(name)?;
    out.int64(number);
    Ok(())
}

/// `false` when there is nothing to convert.
fn convert_time(field: &str, format: &DateFormat, document: &RawDocument, out: &mut Encoder) -> Result<bool> {
    let Some(time) = raw::get(document, field)? else { return Ok(false) };
    let time = Bson::try_from(time).map_err(|error| Error::data("not valid BSON").cause(&error))?;
    let Some(milliseconds) = format.milliseconds(&time) else { return Ok(false) };
    out.restart(false);
    for element in raw::elements(document) {
        let element = element?;
        if element.name == field {
            out.name(field)?;
            out.value(ElementType::DateTime, &milliseconds.to_le_bytes());
        } else {
            copy(&element, out)?;
        }
    }
    out.finish()?;
    Ok(true)
}
