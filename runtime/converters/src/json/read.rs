//! JSON to values, with a schema or without.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytestring::ByteString;
use num_bigint::BigInt;
use tributary_api::{Datum, Decimal, Error, Field, Result, Schema, SchemaRef, SchemaType, Struct, Value};

use super::cache::ReadSchemas;
use super::decimal::{self, parse_decimal};
use super::scan::{Kind, Scanner};
use super::{required, schema};
use crate::entries::Entries;

const DAY_MS: i64 = 86_400_000;

/// Up to this many fields of an object are found by looking through their names.
const FEW: usize = 16;

/// The most bytes of a decimal's digits. Printing them takes time that grows with their square.
const MAX_DECIMAL_BYTES: usize = 16 * 1024;

/// How much missing fields and the schema's defaults may add to a document, in bytes: this much, and a multiple of its
/// own length. Otherwise a megabyte could expand to gigabytes.
const ADDED: usize = 64 << 20;
const ADDED_FOR_EACH_BYTE: usize = 64;

/// Reads the values of a document; its texts are slices of it.
pub(super) struct Reader<'a> {
    document: &'a ByteString,
    replace_null: bool,
    /// How much may still be added to the document.
    room: Cell<usize>,
    /// Whether a value of another type than its schema's became null.
    mistaken: Cell<bool>,
}

/// Reads an object of a schema and a payload, and nothing else.
pub(super) fn envelope(reader: &Reader<'_>, schemas: &mut ReadSchemas) -> Result<Datum> {
    let mut scanner = Scanner::new(reader.document);
    if scanner.is_empty() {
        return Err(no_envelope());
    }
    if scanner.kind()? != Kind::Object {
        scanner.skip()?;
        return Err(no_envelope());
    }
    // The payload may come before its schema: then it is kept as text.
    let (mut schema, mut early, mut value, mut other) = (None, None, None, false);
    scanner.object(|scanner, name| {
        match (&*name, &schema) {
            ("schema", _) => {
                let json = scanner.skip()?;
                let parse = || schema::read(json, reader)?.ok_or_else(no_envelope);
                schema = Some(if json == "null" { None } else { Some(schemas.get(json, parse)?) });
            }
            ("payload", None) => early = Some(scanner.skip()?),
            ("payload", Some(schema)) => value = Some(reader.optional_schema(scanner, schema.as_ref())?),
            _ => {
                scanner.skip()?;
                other = true;
            }
        }
        Ok(())
    })?;
    let (Some(schema), false) = (schema, other) else { return Err(no_envelope()) };
    let value = match (value, early) {
        (Some(value), _) => value,
        (None, Some(payload)) => reader.optional_schema(&mut Scanner::new(payload), schema.as_ref())?,
        (None, None) => return Err(no_envelope()),
    };
    Ok(Datum { schema, value })
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a ByteString, replace_null: bool) -> Self {
        let room = ADDED.saturating_add(document.len().saturating_mul(ADDED_FOR_EACH_BYTE));
        Self { document, replace_null, room: Cell::new(room), mistaken: Cell::new(false) }
    }

    /// A whole document with a schema that is known beforehand; an empty one is a value that is missing.
    pub(super) fn of_schema(&self, schema: &SchemaRef) -> Result<Value> {
        let mut scanner = Scanner::new(self.document);
        if scanner.is_empty() {
            return self.of_kind(&mut scanner, Kind::Missing, schema);
        }
        self.with_schema(&mut scanner, schema)
    }

    /// A value of any type: whole numbers are longs, others doubles, objects maps.
    pub(super) fn plain(&self, scanner: &mut Scanner<'_>) -> Result<Value> {
        Ok(match scanner.kind()? {
            Kind::Missing => Value::Null,
            Kind::Null => {
                scanner.null()?;
                Value::Null
            }
            Kind::Boolean => Value::Boolean(scanner.boolean()?),
            Kind::Number => {
                let number = scanner.number()?;
                if decimal::is_whole(number) {
                    Value::Int64(decimal::to_i64(number))
                } else {
                    Value::Float64(to_f64(number))
                }
            }
            Kind::String => Value::String(self.text(scanner.string()?)),
            Kind::Array => {
                let mut items = Vec::new();
                scanner.array(|scanner| {
                    items.push(self.plain(scanner)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            Kind::Object => {
                let mut entries = Entries::default();
                scanner.object(|scanner, name| {
                    entries.insert(Value::String(self.text(name)), self.plain(scanner)?);
                    Ok(())
                })?;
                Value::Map(entries.into_vec())
            }
        })
    }

    /// A value of a schema.
    pub(super) fn with_schema(&self, scanner: &mut Scanner<'_>, schema: &SchemaRef) -> Result<Value> {
        let kind = scanner.kind()?;
        if kind == Kind::Null {
            scanner.null()?;
            return self.absent(schema);
        }
        self.of_kind(scanner, kind, schema)
    }

    fn of_kind(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &SchemaRef) -> Result<Value> {
        if let Some(name) = &schema.name
            && let Some(value) = self.logical(scanner, kind, name, schema)?
        {
            return Ok(value);
        }
        match schema.kind {
            SchemaType::Array => self.array(scanner, kind, schema),
            SchemaType::Map => self.map(scanner, kind, schema),
            SchemaType::Struct => self.structure(scanner, kind, schema),
            primitive => self.primitive(scanner, kind, primitive),
        }
    }

    fn absent(&self, schema: &Schema) -> Result<Value> {
        match &schema.default {
            Some(default) if self.replace_null => {
                self.add(weight(default))?;
                Ok(default.clone())
            }
            _ if schema.optional => Ok(Value::Null),
            _ => Err(Error::data(format!("Invalid null value for required {} field", schema.kind.upper_name()))),
        }
    }

    /// Counts what is added to the document's own values.
    fn add(&self, bytes: usize) -> Result<()> {
        let left = self.room.get().checked_sub(bytes);
        let too_much = "the schema's fields and defaults make too much of a small document: at most 64 MiB are added";
        self.room.set(left.ok_or_else(|| Error::data(too_much))?);
        Ok(())
    }

    fn optional_schema(&self, scanner: &mut Scanner<'_>, schema: Option<&SchemaRef>) -> Result<Value> {
        match schema {
            Some(schema) => self.with_schema(scanner, schema),
            None => self.plain(scanner),
        }
    }

    /// As lenient as Kafka: a value of another type becomes false, zero or null.
    fn primitive(&self, scanner: &mut Scanner<'_>, found: Kind, kind: SchemaType) -> Result<Value> {
        match (kind, found) {
            (SchemaType::Boolean, Kind::Boolean) => return Ok(Value::Boolean(scanner.boolean()?)),
            (SchemaType::String, Kind::String) => return Ok(Value::String(self.text(scanner.string()?))),
            (SchemaType::Bytes, Kind::String) => {
                let text = scanner.string()?;
                let bytes = BASE64.decode(&*text);
                let bytes = bytes.map_err(|error| Error::data("Invalid bytes field").cause(&error))?;
                return Ok(Value::Bytes(bytes.into()));
            }
            _ => {}
        }
        let number = match found {
            Kind::Number => scanner.number()?,
            Kind::Missing => "0",
            _ => scanner.skip().map(|_| "0")?,
        };
        Ok(match kind {
            SchemaType::Boolean => Value::Boolean(false),
            SchemaType::Int8 => Value::Int8(decimal::to_i64(number) as i8),
            SchemaType::Int16 => Value::Int16(decimal::to_i64(number) as i16),
            SchemaType::Int32 => Value::Int32(decimal::to_i64(number) as i32),
            SchemaType::Int64 => Value::Int64(decimal::to_i64(number)),
            SchemaType::Float32 => Value::Float32(to_f32(number)),
            SchemaType::Float64 => Value::Float64(to_f64(number)),
            _ => {
                self.mistaken.set(true);
                Value::Null
            }
        })
    }

    fn logical(&self, scanner: &mut Scanner<'_>, kind: Kind, name: &str, schema: &Schema) -> Result<Option<Value>> {
        let wrong = |logical: &str, expected: &str| {
            let found = kind.upper_name();
            let message = "underlying representation should be";
            Error::data(format!("Invalid type for {logical}, {message} {expected} but was {found}"))
        };
        let mut whole = |logical: &str, expected: &str| {
            let number = if kind == Kind::Number { scanner.number()? } else { "." };
            number.parse::<i64>().map_err(|_| wrong(logical, expected))
        };
        let narrow = |number: i64, logical| i32::try_from(number).map_err(|_| wrong(logical, "integer"));
        Ok(Some(match name {
            Schema::DATE => Value::Date(narrow(whole("Date", "integer")?, "Date")?),
            Schema::TIME => {
                let millis = narrow(whole("Time", "integer")?, "Time")?;
                if !(0..=DAY_MS).contains(&i64::from(millis)) {
                    let message = "Time values must use number of milliseconds greater than 0 and less than 86400000";
                    return Err(Error::data(message));
                }
                Value::Time(millis)
            }
            Schema::TIMESTAMP => Value::Timestamp(whole("Timestamp", "integral")?),
            Schema::DECIMAL => match kind {
                Kind::Number => {
                    let number = scanner.number()?;
                    let decimal =
                        parse_decimal(number).ok_or_else(|| Error::data("a decimal's exponent is too large"))?;
                    Value::Decimal(decimal)
                }
                Kind::String => {
                    let text = scanner.string()?;
                    let digits = BASE64.decode(&*text);
                    let digits =
                        digits.map_err(|error| Error::data("Invalid bytes for Decimal field").cause(&error))?;
                    if digits.len() > MAX_DECIMAL_BYTES {
                        let found = digits.len();
                        let message = "bytes are too many for a Decimal, the most are";
                        return Err(Error::data(format!("{found} {message} {MAX_DECIMAL_BYTES}")));
                    }
                    let scale = scale(schema);
                    let scale = scale.map_err(|error| Error::data("Invalid bytes for Decimal field").cause(&error))?;
                    Value::Decimal(Decimal { unscaled: BigInt::from_signed_bytes_be(&digits), scale })
                }
                _ => return Err(wrong("Decimal", "numeric or bytes")),
            },
            _ => return Ok(None),
        }))
    }

    /// Like Kafka, takes the values of an object for a list, and anything else for an empty one.
    fn array(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &Schema) -> Result<Value> {
        let mut items = Vec::new();
        let element = schema.value_schema.as_ref();
        let mut push = |scanner: &mut Scanner<'_>| {
            items.push(self.optional_schema(scanner, element)?);
            Ok(())
        };
        match kind {
            Kind::Array => scanner.array(push)?,
            Kind::Object => scanner.object(|scanner, _| push(scanner))?,
            Kind::Missing => {}
            _ => drop(scanner.skip()?),
        }
        Ok(Value::Array(items))
    }

    fn map(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &Schema) -> Result<Value> {
        let (key, element) = (schema.key_schema.as_ref(), schema.value_schema.as_ref());
        let mut entries = Entries::default();
        if key.is_none_or(|key| key.kind == SchemaType::String) {
            if kind != Kind::Object {
                let message = "Maps with string fields should be encoded as JSON objects, but found";
                return Err(Error::data(format!("{message} {}", kind.upper_name())));
            }
            scanner.object(|scanner, name| {
                entries.insert(Value::String(self.text(name)), self.optional_schema(scanner, element)?);
                Ok(())
            })?;
            return Ok(Value::Map(entries.into_vec()));
        }
        if kind != Kind::Array {
            let message = "Maps with non-string fields should be encoded as JSON array of tuples, but found";
            return Err(Error::data(format!("{message} {}", kind.upper_name())));
        }
        scanner.array(|scanner| {
            let kind = scanner.kind()?;
            if kind != Kind::Array {
                let message = "Found invalid map entry instead of array tuple:";
                return Err(Error::data(format!("{message} {}", kind.upper_name())));
            }
            let mut tuple = Vec::with_capacity(2);
            scanner.array(|scanner| {
                tuple.push(scanner.skip()?);
                Ok(())
            })?;
            let [first, second] = tuple[..] else {
                let message = "Found invalid map entry, expected length 2 but found :";
                return Err(Error::data(format!("{message}{}", tuple.len())));
            };
            let first = self.optional_schema(&mut Scanner::new(first), key)?;
            entries.insert(first, self.optional_schema(&mut Scanner::new(second), element)?);
            Ok(())
        })?;
        Ok(Value::Map(entries.into_vec()))
    }

    fn structure(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &SchemaRef) -> Result<Value> {
        if kind != Kind::Object {
            let message = "Structs should be encoded as JSON objects, but found";
            return Err(Error::data(format!("{message} {}", kind.upper_name())));
        }
        self.add(schema.fields.len().saturating_mul(size_of::<Value>()))?;
        let mut values: Vec<Option<Value>> = vec![None; schema.fields.len()];
        let (mut expected, mut places) = (0, FieldIndexes::default());
        scanner.object(|scanner, name| {
            // Most often the fields come in the order of the schema.
            let in_order = schema.fields.get(expected).is_some_and(|field| *field.name == *name);
            let index = if in_order { Some(expected) } else { places.of(schema, &name) };
            match index {
                Some(index) => {
                    let field = &schema.fields[index];
                    let value = self.with_schema(scanner, &field.schema)?;
                    if self.mistaken.get() {
                        required::check(field, &value)?;
                    }
                    values[index] = Some(value);
                    expected = index + 1;
                }
                None => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        let given = |(value, field): (Option<Value>, &Field)| match value {
            Some(value) => Ok(value),
            None => self.absent(&field.schema),
        };
        let values = values.into_iter().zip(&schema.fields).map(given).collect::<Result<_>>()?;
        Ok(Value::Struct(Struct::new(schema.clone(), values)?))
    }

    fn text(&self, text: Cow<'_, str>) -> ByteString {
        match text {
            Cow::Borrowed(slice) => self.document.slice_ref(slice),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// Finds fields by name: the first few by looking through them, then by a table, so that many cost no more than each.
#[derive(Default)]
struct FieldIndexes<'a> {
    sought: usize,
    known: Option<HashMap<&'a str, usize>>,
}

impl<'a> FieldIndexes<'a> {
    fn of(&mut self, schema: &'a Schema, name: &str) -> Option<usize> {
        self.sought += 1;
        if self.sought <= FEW {
            return schema.field_index(name);
        }
        let fields = || schema.fields.iter().enumerate().map(|(index, field)| (&*field.name, index)).collect();
        self.known.get_or_insert_with(fields).get(name).copied()
    }
}

/// The size of a default that replaces null, in bytes.
fn weight(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Decimal(_) => 64,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        Value::Struct(object) => object.values().iter().map(weight).sum(),
        _ => 0,
    };
    size_of::<Value>() + within
}

fn scale(schema: &Schema) -> Result<i32> {
    let scale = schema.parameter("scale");
    let scale = scale.ok_or_else(|| Error::data("Invalid Decimal schema: scale parameter not found."))?;
    scale.parse().map_err(|_| Error::data("Invalid scale parameter found in Decimal schema"))
}

/// Too large numbers become infinite, as in Java; zero has no sign, because Kafka parses it as a decimal first. Numbers
/// that underflow keep their sign.
fn to_f64(number: &str) -> f64 {
    let value: f64 = number.parse().unwrap_or(0.0);
    if value == 0.0 && is_zero(number) { 0.0 } else { value }
}

fn to_f32(number: &str) -> f32 {
    let value: f32 = number.parse().unwrap_or(0.0);
    if value == 0.0 && is_zero(number) { 0.0 } else { value }
}

fn is_zero(number: &str) -> bool {
    let digits = number.split(['e', 'E']).next().unwrap_or_default();
    !digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

#[cold]
fn no_envelope() -> Error {
    Error::data(
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional \
         fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter \
         configuration.",
    )
}
