//! JSON to values, with a schema or without.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytestring::ByteString;
use num_bigint::BigInt;
use tributary_api::{Datum, Decimal, Error, Field, Result, Schema, SchemaRef, SchemaType, Struct, Value};

use super::cache::ReadSchemas;
use super::decimal::{self, parse_decimal};
use super::scan::{Kind, Scanner};
use super::schema;

const DAY_MS: i64 = 86_400_000;

/// Up to this many entries of a map are compared one by one.
const FEW: usize = 16;

/// Reads the values of a document; its texts are slices of it.
pub(super) struct Reader<'a> {
    pub(super) document: &'a ByteString,
    pub(super) replace_null: bool,
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
    // A schema that was read, and a payload that came before its schema.
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

impl Reader<'_> {
    /// A value of any type: whole numbers are longs, others doubles, objects maps.
    pub(super) fn plain(&self, scanner: &mut Scanner<'_>) -> Result<Value> {
        Ok(match scanner.kind()? {
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
                let mut entries = Vec::new();
                scanner.object(|scanner, name| {
                    entries.push((Value::String(self.text(name)), self.plain(scanner)?));
                    Ok(())
                })?;
                Value::Map(unique(entries))
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
            Some(default) if self.replace_null => Ok(default.clone()),
            _ if schema.optional => Ok(Value::Null),
            _ => Err(Error::data(format!("Invalid null value for required {} field", schema.kind.upper_name()))),
        }
    }

    fn optional_schema(&self, scanner: &mut Scanner<'_>, schema: Option<&SchemaRef>) -> Result<Value> {
        match schema {
            Some(schema) => self.with_schema(scanner, schema),
            None => self.plain(scanner),
        }
    }

    /// As lenient as Kafka: what is of another type becomes false, zero or null.
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
        let number = if found == Kind::Number { scanner.number()? } else { scanner.skip().map(|_| "0")? };
        Ok(match kind {
            SchemaType::Boolean => Value::Boolean(false),
            SchemaType::Int8 => Value::Int8(decimal::to_i64(number) as i8),
            SchemaType::Int16 => Value::Int16(decimal::to_i64(number) as i16),
            SchemaType::Int32 => Value::Int32(decimal::to_i64(number) as i32),
            SchemaType::Int64 => Value::Int64(decimal::to_i64(number)),
            SchemaType::Float32 => Value::Float32(to_f32(number)),
            SchemaType::Float64 => Value::Float64(to_f64(number)),
            _ => Value::Null,
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
            Schema::TIMESTAMP => Value::Timestamp(whole("Timestamp", "integer")?),
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
                    Value::Decimal(Decimal { unscaled: BigInt::from_signed_bytes_be(&digits), scale: scale(schema)? })
                }
                _ => return Err(wrong("Decimal", "numeric or bytes")),
            },
            _ => return Ok(None),
        }))
    }

    /// Like Kafka, takes the values of an object for a list, and anything else for an empty one.
    fn array(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &Schema) -> Result<Value> {
        let mut items = Vec::new();
        let element = schema.element.as_ref();
        let mut push = |scanner: &mut Scanner<'_>| {
            items.push(self.optional_schema(scanner, element)?);
            Ok(())
        };
        match kind {
            Kind::Array => scanner.array(push)?,
            Kind::Object => scanner.object(|scanner, _| push(scanner))?,
            _ => drop(scanner.skip()?),
        }
        Ok(Value::Array(items))
    }

    fn map(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &Schema) -> Result<Value> {
        let (key, element) = (schema.key.as_ref(), schema.element.as_ref());
        let mut entries = Vec::new();
        if key.is_none_or(|key| key.kind == SchemaType::String) {
            if kind != Kind::Object {
                let message = "Maps with string fields should be encoded as JSON objects, but found";
                return Err(Error::data(format!("{message} {}", kind.upper_name())));
            }
            scanner.object(|scanner, name| {
                entries.push((Value::String(self.text(name)), self.optional_schema(scanner, element)?));
                Ok(())
            })?;
            return Ok(Value::Map(unique(entries)));
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
            entries.push((first, self.optional_schema(&mut Scanner::new(second), element)?));
            Ok(())
        })?;
        Ok(Value::Map(unique(entries)))
    }

    fn structure(&self, scanner: &mut Scanner<'_>, kind: Kind, schema: &SchemaRef) -> Result<Value> {
        if kind != Kind::Object {
            let message = "Structs should be encoded as JSON objects, but found";
            return Err(Error::data(format!("{message} {}", kind.upper_name())));
        }
        let mut values: Vec<Option<Value>> = vec![None; schema.fields.len()];
        let mut expected = 0;
        scanner.object(|scanner, name| {
            // Most often the fields come in the order of the schema.
            let in_order = schema.fields.get(expected).is_some_and(|field| *field.name == *name);
            let index = if in_order { Some(expected) } else { schema.field_index(&name) };
            match index {
                Some(index) => {
                    values[index] = Some(self.with_schema(scanner, &schema.fields[index].schema)?);
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

/// Of entries with the same key the last value counts, at the first one's place.
fn unique(mut entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    if entries.len() <= FEW {
        let mut index = 1;
        while index < entries.len() {
            match entries[..index].iter().position(|(key, _)| *key == entries[index].0) {
                Some(first) => {
                    let (_, value) = entries.remove(index);
                    entries[first].1 = value;
                }
                None => index += 1,
            }
        }
        return entries;
    }
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut unique: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match places.entry(key.to_string()) {
            std::collections::hash_map::Entry::Occupied(place) => unique[*place.get()].1 = value,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(unique.len());
                unique.push((key, value));
            }
        }
    }
    unique
}

fn scale(schema: &Schema) -> Result<i32> {
    let scale = schema.parameter("scale");
    let scale = scale.ok_or_else(|| Error::data("Invalid Decimal schema: scale parameter not found."))?;
    scale.parse().map_err(|_| Error::data("Invalid scale parameter found in Decimal schema"))
}

/// Too large is infinite, as in Java; zero has no sign, because Kafka reads it as a decimal first.
fn to_f64(number: &str) -> f64 {
    let value: f64 = number.parse().unwrap_or(0.0);
    if value == 0.0 { 0.0 } else { value }
}

fn to_f32(number: &str) -> f32 {
    let value: f32 = number.parse().unwrap_or(0.0);
    if value == 0.0 { 0.0 } else { value }
}

#[cold]
fn no_envelope() -> Error {
    Error::data(
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional \
         fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter \
         configuration.",
    )
}
