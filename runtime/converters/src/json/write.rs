//! Values to JSON, byte for byte as Kafka writes it.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tributary_api::{Decimal, Error, Result, Schema, SchemaRef, SchemaType, Struct, Value};

/// How values are written.
pub(super) struct Writer {
    pub(super) numeric_decimals: bool,
    pub(super) replace_null: bool,
}

impl Writer {
    /// A value with its schema if it has one.
    pub(super) fn value(&self, json: &mut Vec<u8>, schema: Option<&SchemaRef>, value: &Value) -> Result<()> {
        match schema {
            Some(schema) => self.with_schema(json, schema, value),
            None => self.plain(json, value),
        }
    }

    /// A value without a schema: its own type says how.
    fn plain(&self, json: &mut Vec<u8>, value: &Value) -> Result<()> {
        match value {
            Value::Null => json.extend_from_slice(b"null"),
            Value::Boolean(value) => json.extend_from_slice(if *value { b"true" } else { b"false" }),
            Value::Int8(number) => integer(json, *number),
            Value::Int16(number) => integer(json, *number),
            Value::Int32(number) | Value::Date(number) | Value::Time(number) => integer(json, *number),
            Value::Int64(number) | Value::Timestamp(number) => integer(json, *number),
            Value::Float32(number) => return float_to(json, number.is_finite(), value),
            Value::Float64(number) => return float_to(json, number.is_finite(), value),
            Value::String(string) => text(json, string),
            Value::Bytes(bytes) => base64(json, bytes),
            Value::Decimal(number) => return self.decimal(json, number),
            Value::Array(items) => return list(json, items, |json, item| self.plain(json, item)),
            Value::Map(entries) => {
                let named = entries.iter().all(|(key, _)| matches!(key, Value::String(_)));
                return self.entries(json, named, None, entries);
            }
            Value::Struct(object) => return self.fields(json, object.schema(), object),
        }
        Ok(())
    }

    pub(super) fn with_schema(&self, json: &mut Vec<u8>, schema: &Schema, value: &Value) -> Result<()> {
        if value.is_null() {
            return match &schema.default {
                Some(default) if self.replace_null => self.with_schema(json, schema, default),
                _ if schema.optional => self.plain(json, &Value::Null),
                _ => {
                    let message = "Conversion error: null value for field that is required and has no default value";
                    Err(Error::data(message))
                }
            };
        }
        if let Some(name) = &schema.name
            && self.logical(json, name, schema, value)?
        {
            return Ok(());
        }
        match (schema.kind, value) {
            (SchemaType::Boolean, Value::Boolean(_))
            | (SchemaType::Int8, Value::Int8(_))
            | (SchemaType::Int16, Value::Int16(_))
            | (SchemaType::Int32, Value::Int32(_))
            | (SchemaType::Int64, Value::Int64(_))
            | (SchemaType::Float32, Value::Float32(_))
            | (SchemaType::Float64, Value::Float64(_))
            | (SchemaType::String, Value::String(_))
            | (SchemaType::Bytes, Value::Bytes(_)) => self.plain(json, value),
            (SchemaType::Array, Value::Array(items)) => {
                list(json, items, |json, item| self.value(json, schema.value_schema.as_ref(), item))
            }
            (SchemaType::Map, Value::Map(entries)) => {
                let named = schema.key_schema.as_ref().is_none_or(|key| key.kind == SchemaType::String);
                self.entries(json, named, Some(schema), entries)
            }
            (SchemaType::Struct, Value::Struct(object)) => {
                if !std::ptr::eq(Arc::as_ptr(object.schema()), schema) && **object.schema() != *schema {
                    return Err(Error::data("Mismatching schema."));
                }
                self.fields(json, schema, object)
            }
            (kind, other) => {
                let (kind, class) = (kind.upper_name(), other.java_class());
                Err(Error::data(format!("Invalid type for {kind}: class {class}")))
            }
        }
    }

    /// Writes a value of a logical type; false when the schema's name is not one of them.
    fn logical(&self, json: &mut Vec<u8>, name: &str, schema: &Schema, value: &Value) -> Result<bool> {
        let wrong = |logical: &str, expected: &str| {
            let class = value.java_class();
            Err(Error::data(format!("Invalid type for {logical}, expected {expected} but was class {class}")))
        };
        match (name, value) {
            (Schema::DECIMAL, Value::Decimal(number)) => {
                let scale = schema.parameter("scale").and_then(|scale| scale.parse::<i32>().ok());
                if !self.numeric_decimals && scale != Some(number.scale) {
                    let expected = scale.map_or_else(|| "none".to_owned(), |scale| scale.to_string());
                    return Err(Error::data(format!(
                        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {expected}, \
                         value has scale {}.",
                        number.scale
                    )));
                }
                self.decimal(json, number)?;
            }
            (Schema::DECIMAL, _) => return wrong("Decimal", "BigDecimal"),
            (Schema::DATE, Value::Date(number)) | (Schema::TIME, Value::Time(number)) => integer(json, *number),
            (Schema::TIMESTAMP, Value::Timestamp(number)) => integer(json, *number),
            (Schema::DATE, _) => return wrong("Date", "Date"),
            (Schema::TIME, _) => return wrong("Time", "Date"),
            (Schema::TIMESTAMP, _) => return wrong("Timestamp", "Date"),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn decimal(&self, json: &mut Vec<u8>, number: &Decimal) -> Result<()> {
        if self.numeric_decimals {
            return number_to(json, number);
        }
        match i128::try_from(&number.unscaled) {
            Ok(small) => base64(json, shortest(&small.to_be_bytes())),
            Err(_) => base64(json, &number.unscaled.to_signed_bytes_be()),
        }
        Ok(())
    }

    /// An object when the keys are text, else a list of pairs.
    fn entries(
        &self,
        json: &mut Vec<u8>,
        named: bool,
        schema: Option<&Schema>,
        entries: &[(Value, Value)],
    ) -> Result<()> {
        let (key_schema, element) =
            schema.map_or((None, None), |schema| (schema.key_schema.as_ref(), schema.value_schema.as_ref()));
        json.push(if named { b'{' } else { b'[' });
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            match (named, key) {
                (true, Value::String(name)) => {
                    text(json, name);
                    json.push(b':');
                    self.value(json, element, value)?;
                }
                (true, other) => {
                    let class = other.java_class();
                    return Err(Error::data(format!("Invalid type for STRING: class {class}")));
                }
                (false, key) => {
                    json.push(b'[');
                    self.value(json, key_schema, key)?;
                    json.push(b',');
                    self.value(json, element, value)?;
                    json.push(b']');
                }
            }
        }
        json.push(if named { b'}' } else { b']' });
        Ok(())
    }

    fn fields(&self, json: &mut Vec<u8>, schema: &Schema, object: &Struct) -> Result<()> {
        json.push(b'{');
        for (index, (field, value)) in schema.fields.iter().zip(object.values()).enumerate() {
            if index > 0 {
                json.push(b',');
            }
            text(json, &field.name);
            json.push(b':');
            self.with_schema(json, &field.schema, value)?;
        }
        json.push(b'}');
        Ok(())
    }
}

fn list<T>(json: &mut Vec<u8>, items: &[T], mut item_to: impl FnMut(&mut Vec<u8>, &T) -> Result<()>) -> Result<()> {
    json.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        item_to(json, item)?;
    }
    json.push(b']');
    Ok(())
}

/// Text in quotes. As Kafka does it, characters beyond the basic plane are written as two escapes.
pub(super) fn text(json: &mut Vec<u8>, text: &str) {
    json.push(b'"');
    // Looks at all bytes, as then many are compared at once.
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        escaped(json, text);
    } else {
        json.extend_from_slice(text.as_bytes());
    }
    json.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0xf0)
}

fn escaped(json: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    let mut done = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        json.extend_from_slice(&bytes[done..index]);
        done = index + 1;
        let mut unit = |unit: u16| {
            let digit = |shift: u16| HEX[usize::from(unit >> shift & 0xf)];
            json.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
        };
        match byte {
            0xf0.. => {
                let mut units = [0; 2];
                if let Some(wide) = text.get(index..).and_then(|rest| rest.chars().next()) {
                    wide.encode_utf16(&mut units).iter().for_each(|half| unit(*half));
                }
                done = index + 4;
            }
            b'"' => json.extend_from_slice(b"\\\""),
            b'\\' => json.extend_from_slice(b"\\\\"),
            0x08 => json.extend_from_slice(b"\\b"),
            0x0c => json.extend_from_slice(b"\\f"),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            control => unit(control.into()),
        }
    }
    json.extend_from_slice(&bytes[done..]);
}

fn base64(json: &mut Vec<u8>, bytes: &[u8]) {
    /// A multiple of three: parts of it are encoded as the whole would be.
    const PART: usize = 192;
    json.push(b'"');
    let mut encoded = [0; PART / 3 * 4];
    for part in bytes.chunks(PART) {
        match BASE64.encode_slice(part, &mut encoded) {
            Ok(length) => json.extend_from_slice(&encoded[..length]),
            Err(_) => json.extend_from_slice(BASE64.encode(part).as_bytes()),
        }
    }
    json.push(b'"');
}

/// The bytes that are left of a big-endian number when those that only repeat its sign are removed.
fn shortest(bytes: &[u8]) -> &[u8] {
    let repeats =
        |pair: &[u8]| matches!(pair, [0, next] if *next < 0x80) || matches!(pair, [0xff, next] if *next >= 0x80);
    let repeated = bytes.windows(2).take_while(|pair| repeats(pair)).count();
    &bytes[repeated..]
}

/// NaN and the infinite ones are no JSON numbers: text.
fn float_to(json: &mut Vec<u8>, finite: bool, value: &Value) -> Result<()> {
    if finite {
        return number_to(json, value);
    }
    json.push(b'"');
    number_to(json, value)?;
    json.push(b'"');
    Ok(())
}

fn integer(json: &mut Vec<u8>, number: impl itoa::Integer) {
    json.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn number_to(json: &mut Vec<u8>, number: &impl Display) -> Result<()> {
    write!(json, "{number}").map_err(|error| Error::data("cannot write JSON").cause(&error))
}

#[cfg(test)]
mod tests {
    use tributary_api::BigInt;

    use super::*;

    #[test]
    fn digits_of_a_decimal_are_as_few_bytes_as_java_writes() {
        let edges = [0, 1, 127, 128, 255, 256, 32_767, 32_768, i128::from(u64::MAX), i128::MAX];
        for number in edges.iter().flat_map(|number| [*number, -number, -number - 1]) {
            assert_eq!(shortest(&number.to_be_bytes()), BigInt::from(number).to_signed_bytes_be(), "{number}");
        }
    }

    #[test]
    fn bytes_that_are_encoded_in_parts_are_one_text() {
        for length in [0, 1, 191, 192, 193, 385, 1000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut json = Vec::new();
            base64(&mut json, &bytes);
            assert_eq!(json, format!("\"{}\"", BASE64.encode(&bytes)).into_bytes(), "{length} bytes");
        }
    }
}
