use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::{BinarySubtype, ElementType};
use mongodb::bson::{RawBsonRef, RawDocument};
use tributary_api::{Error, Record, Result};
use uuid::Uuid;

use super::document_parts::ID_NAME;
use super::encoder::Encoder;
use super::key::KeyDocument;
use super::projection::Projection;
use super::raw;

/// The source of a document's `_id`.
#[derive(Debug)]
pub(crate) enum IdStrategy {
    /// A new object id.
    BsonOid,
    /// Topic, partition and offset.
    KafkaMetaData,
    /// The key's document.
    FullKey,
    /// Some fields of the key's document.
    PartialKey(Projection),
    /// Some fields of the value's document.
    PartialValue(Projection),
    /// The key's `_id`.
    ProvidedInKey,
    /// The value's `_id`.
    ProvidedInValue,
    /// A new random UUID.
    Uuid(UuidFormat),
    /// The key's `_id`, which is a UUID.
    UuidProvidedInKey,
    /// The value's `_id`, which is a UUID.
    UuidProvidedInValue,
}

/// How a new UUID is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UuidFormat {
    /// `document.id.strategy.uuid.format=string`.
    String,
    /// `document.id.strategy.uuid.format=binary`: subtype 4.
    Binary,
}

impl IdStrategy {
    /// Whether it depends only on the key, so that a tombstone identifies a document.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(self, Self::FullKey | Self::PartialKey(_) | Self::ProvidedInKey)
    }

    /// Whether the `_id` is a document of some fields, by which a business key strategy finds a document.
    pub(crate) fn is_partial(&self) -> bool {
        matches!(self, Self::PartialKey(_) | Self::PartialValue(_))
    }

    /// Whether it reads the value.
    pub(crate) fn is_of_value(&self) -> bool {
        matches!(self, Self::PartialValue(_) | Self::ProvidedInValue | Self::UuidProvidedInValue)
    }

    /// Writes the element `_id` for a record into `out`, replacing its content.
    ///
    /// # Errors
    /// `Data` when a field that the strategy needs is missing.
    pub(crate) fn element(
        &self,
        record: &Record,
        key: &mut KeyDocument<'_>,
        value: Option<&RawDocument>,
        scratch: &mut Encoder,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.clear();
        match self {
            Self::BsonOid => put(out, ElementType::ObjectId, &[&ObjectId::new().bytes()]),
            Self::KafkaMetaData => put_text(out, &place(record, '#')?),
            Self::FullKey => {
                put(out, ElementType::EmbeddedDocument, &[key.get()?.map_or(EMPTY, RawDocument::as_bytes)])
            }
            Self::PartialKey(projection) => {
                let projected = key.get()?.map(|key| projection.project(key, scratch)).transpose()?;
                put(out, ElementType::EmbeddedDocument, &[projected.unwrap_or(EMPTY)]);
            }
            Self::PartialValue(projection) => {
                let projected = value.map(|value| projection.project(value, scratch)).transpose()?;
                put(out, ElementType::EmbeddedDocument, &[projected.unwrap_or(EMPTY)]);
            }
            Self::ProvidedInKey => put_provided(out, provided(key.get()?, "key")?),
            Self::ProvidedInValue => put_provided(out, provided(value, "value")?),
            Self::Uuid(UuidFormat::String) => put_text(out, &Uuid::new_v4().to_string()),
            Self::Uuid(UuidFormat::Binary) => put_uuid(out, Uuid::new_v4().as_bytes()),
            Self::UuidProvidedInKey => put_given_uuid(out, provided(key.get()?, "key")?.value)?,
            Self::UuidProvidedInValue => put_given_uuid(out, provided(value, "value")?.value)?,
        }
        Ok(())
    }
}

const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

/// Topic, partition and offset, the topic as it is after the transforms.
pub(crate) fn place(record: &Record, between: char) -> Result<String> {
    let (_, partition, offset) = record.consumed_from().ok_or_else(|| {
        Error::data("the record does not come from a topic, so it has no offset: choose another document.id.strategy")
    })?;
    Ok(format!("{}{between}{partition}{between}{offset}", record.topic))
}

fn put(out: &mut Vec<u8>, kind: ElementType, value: &[&[u8]]) {
    out.push(kind as u8);
    out.extend_from_slice(ID_NAME);
    value.iter().for_each(|part| out.extend_from_slice(part));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
    put(out, ElementType::String, &[&length.to_le_bytes(), text.as_bytes(), &[0]]);
}

fn put_uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    put(out, ElementType::Binary, &[&length.to_le_bytes(), &[4], bytes]);
}

fn put_provided(out: &mut Vec<u8>, id: raw::Element<'_>) {
    out.extend_from_slice(id.bytes);
}

fn provided<'a>(document: Option<&'a RawDocument>, side: &str) -> Result<raw::Element<'a>> {
    let missing = || Error::data(format!("the {side} has no _id: send one or choose another document.id.strategy"));
    let mut id = None;
    for element in raw::elements(document.ok_or_else(missing)?) {
        let element = element?;
        if element.name == "_id" {
            id = Some(element);
            break;
        }
    }
    let id = id.ok_or_else(missing)?;
    match id.value {
        RawBsonRef::Null => {
            Err(Error::data(format!("the _id of the {side} is null: send one or choose another document.id.strategy")))
        }
        _ => Ok(id),
    }
}

fn put_given_uuid(out: &mut Vec<u8>, id: RawBsonRef<'_>) -> Result<()> {
    let wrong = || Error::data("the _id is not a UUID: send one, as text or as binary");
    match id {
        RawBsonRef::Binary(binary) if matches!(binary.subtype, BinarySubtype::Uuid | BinarySubtype::UuidOld) => {
            let length = i32::try_from(binary.bytes.len()).map_err(|_| wrong())?;
            put(out, ElementType::Binary, &[&length.to_le_bytes(), &[binary.subtype.into()], binary.bytes]);
        }
        RawBsonRef::String(text) if matches!(text.len(), 32 | 36) => {
            put_uuid(out, Uuid::try_parse(text).map_err(|_| wrong())?.as_bytes());
        }
        _ => return Err(wrong()),
    }
    Ok(())
}
