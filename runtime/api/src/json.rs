//! Plain JSON without schemas: what the JSON formats, the rules and the web see of a value.
//!
//! Objects are maps with text keys in the order read; whole numbers are [`Value::Int64`], others
//! [`Value::Float64`]. Written, bytes and decimals' digits are base64, times are numbers, a map with other keys than
//! text is a list of pairs: as Kafka's `JsonConverter` with `schemas.enable=false` does it.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserializer, Serialize, Serializer};

use crate::{Error, Result, Value};

/// Up to this many names of an object are compared one by one; beyond, a table finds them.
const FEW: usize = 16;

/// Reads one JSON value.
///
/// # Errors
/// `Data`, with line and column, when it is not JSON.
pub fn from_slice(json: &[u8]) -> Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = ValueSeed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| Error::data("not valid JSON").cause(&error))
}

/// Writes a value as compact JSON.
///
/// # Errors
/// `Data` when the writer fails; a number that JSON lacks (NaN) is written as null.
pub fn to_writer(writer: impl Write, value: &Value) -> Result<()> {
    serde_json::to_writer(writer, &AsJson(value)).map_err(|error| Error::data("cannot write JSON").cause(&error))
}

/// A value as compact JSON.
///
/// # Errors
/// As [`to_writer`].
pub fn to_vec(value: &Value) -> Result<Vec<u8>> {
    let mut json = Vec::with_capacity(128);
    to_writer(&mut json, value)?;
    Ok(json)
}

/// A view of a value that serde writes as plain JSON.
#[derive(Clone, Copy, Debug)]
pub struct AsJson<'a>(pub &'a Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Int8(number) => serializer.serialize_i8(*number),
            Value::Int16(number) => serializer.serialize_i16(*number),
            Value::Int32(number) | Value::Date(number) | Value::Time(number) => serializer.serialize_i32(*number),
            Value::Int64(number) | Value::Timestamp(number) => serializer.serialize_i64(*number),
            Value::Float32(number) => serializer.serialize_f32(*number),
            Value::Float64(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&BASE64.encode(bytes)),
            Value::Decimal(number) => serializer.serialize_str(&BASE64.encode(number.unscaled.to_signed_bytes_be())),
            Value::Array(items) => {
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| array.serialize_element(&AsJson(item)))?;
                array.end()
            }
            Value::Map(entries) if entries.iter().all(|(key, _)| matches!(key, Value::String(_))) => {
                let mut object = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| object.serialize_entry(&AsJson(key), &AsJson(value)))?;
                object.end()
            }
            Value::Map(entries) => {
                let mut pairs = serializer.serialize_seq(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| pairs.serialize_element(&[AsJson(key), AsJson(value)]))?;
                pairs.end()
            }
            Value::Struct(object) => {
                let mut map = serializer.serialize_map(Some(object.values().len()))?;
                object.iter().try_for_each(|(name, value)| map.serialize_entry(name, &AsJson(value)))?;
                map.end()
            }
        }
    }
}

struct ValueSeed;

/// Reads text into a reference-counted slice, with one copy.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = ByteString;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<ByteString, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for TextSeed {
    type Value = ByteString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<ByteString, E> {
        Ok(ByteString::from(text))
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Value, E> {
        Ok(Value::Int64(number))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E>(self, number: u64) -> std::result::Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Float64(number as f64), Value::Int64))
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Value, E> {
        Ok(Value::Float64(number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(ByteString::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(ValueSeed)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let (mut entries, mut places): (Vec<(Value, Value)>, HashMap<ByteString, usize>) = Default::default();
        while let Some(name) = map.next_key_seed(TextSeed)? {
            let value = map.next_value_seed(ValueSeed)?;
            let known = if entries.len() < FEW {
                entries.iter().position(|(known, _)| known.as_str() == Some(&*name))
            } else {
                if places.is_empty() {
                    let text = |(place, (name, _)): (usize, &(Value, Value))| match name {
                        Value::String(name) => Some((name.clone(), place)),
                        _ => None,
                    };
                    places = entries.iter().enumerate().filter_map(text).collect();
                }
                places.get(&name).copied()
            };
            match known {
                Some(place) => entries[place].1 = value,
                None => {
                    if !places.is_empty() {
                        places.insert(name.clone(), entries.len());
                    }
                    entries.push((Value::String(name), value));
                }
            }
        }
        Ok(Value::Map(entries))
    }
}
