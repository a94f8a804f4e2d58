//! Guesses the type of a value from its text, with the rules of Kafka's `Values.parseString`.

use num_bigint::BigInt;
use tributary_api::{Datum, Decimal, Schema, SchemaRef, SchemaType, Value};

use super::align::Common;
use super::tokens::Tokens;
use crate::entries::Entries;
use crate::json::parse_decimal;
use crate::timestamps;

/// Deeper nesting is text.
const MAX_DEPTH: usize = 100;

/// Longer numbers are text: reading them takes time that grows with the square of their length.
const MAX_NUMBER_LENGTH: usize = 10_000;

/// Text that has no other type stays text; only lists, maps and what is in them can be wrong inside.
pub(super) fn parse(text: &str) -> Datum {
    if text.is_empty() {
        return string(text);
    }
    top_level(text, 0)
}

fn top_level(text: &str, depth: usize) -> Datum {
    let mut parser = Parser { tokens: Tokens::new(text), depth };
    parser.value(false).unwrap_or_else(|NotAValue| string(text))
}

/// The text is no value within a list or map, so that the whole is text.
struct NotAValue;

struct Parser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self, embedded: bool) -> Result<Datum, NotAValue> {
        if embedded && self.tokens.take("\"") {
            return self.quoted();
        }
        let literals = [
            ("null", Datum::NULL),
            ("true", Datum::new(schema(SchemaType::Boolean), true)),
            ("false", Datum::new(schema(SchemaType::Boolean), false)),
        ];
        for (literal, datum) in literals {
            let mark = self.tokens.mark();
            if self.tokens.take(literal) && (embedded || !self.tokens.has_next()) {
                return Ok(datum);
            }
            self.tokens.rewind(mark);
        }
        let mark = self.tokens.mark();
        self.depth += 1;
        let nested = if self.depth > MAX_DEPTH {
            Err(NotAValue)
        } else if self.tokens.take("[") {
            self.list().map(Some)
        } else if self.tokens.take("{") {
            self.map().map(Some)
        } else {
            Ok(None)
        };
        self.depth -= 1;
        match nested {
            Ok(Some(datum)) => return Ok(datum),
            Ok(None) => {}
            Err(NotAValue) => self.tokens.rewind(mark),
        }
        self.simple(embedded)
    }

    /// Text up to the next quote; a date or time within quotes is one.
    fn quoted(&mut self) -> Result<Datum, NotAValue> {
        let mut content = String::new();
        while self.tokens.has_next() && !self.tokens.take("\"") {
            content.push_str(self.tokens.next());
        }
        if !content.is_empty() && self.depth < MAX_DEPTH {
            let datum = top_level(&content, self.depth + 1);
            if timestamps::millis(&datum.value).is_some() {
                return Ok(datum);
            }
        }
        Ok(string(&content))
    }

    fn list(&mut self) -> Result<Datum, NotAValue> {
        let (mut items, mut common) = (Vec::new(), Common::default());
        while self.tokens.has_next() {
            if self.tokens.take("]") {
                let items: Option<Vec<_>> = items.into_iter().map(|item| common.align(item)).collect();
                let mut schema = Schema::new(SchemaType::Array);
                schema.value_schema = common.schema().cloned();
                return Ok(Datum::new(schema.into_ref(), Value::Array(items.ok_or(NotAValue)?)));
            }
            if self.tokens.take(",") {
                return Err(NotAValue);
            }
            let item = self.value(true)?;
            common = common.add(item.schema);
            items.push(item.value);
            let mark = self.tokens.mark();
            if self.tokens.take("]") {
                self.tokens.rewind(mark);
            } else if !self.tokens.take(",") {
                return Err(NotAValue);
            }
        }
        Err(NotAValue)
    }

    fn map(&mut self) -> Result<Datum, NotAValue> {
        let mut entries = Entries::default();
        let (mut keys, mut values) = (Common::default(), Common::default());
        while self.tokens.has_next() {
            if self.tokens.take("}") {
                // Without a type for the keys there is none for the values.
                let values = if keys.schema().is_some() { values } else { Common::Mixed };
                let align = |(key, value)| Some((keys.align(key)?, values.align(value)?));
                let entries: Option<Vec<_>> = entries.into_vec().into_iter().map(align).collect();
                let mut schema = Schema::new(SchemaType::Map);
                (schema.key_schema, schema.value_schema) = (keys.schema().cloned(), values.schema().cloned());
                return Ok(Datum::new(schema.into_ref(), Value::Map(entries.ok_or(NotAValue)?)));
            }
            if self.tokens.take(",") {
                return Err(NotAValue);
            }
            let key = self.value(true)?;
            if key.value.is_null() || !self.tokens.take(":") {
                return Err(NotAValue);
            }
            let value = self.value(true)?;
            self.tokens.take(",");
            keys = keys.add(key.schema);
            values = values.add(value.schema);
            entries.insert(key.value, value.value);
        }
        Err(NotAValue)
    }

    /// A date, a time or a number; else text, if it is not within something.
    fn simple(&mut self, embedded: bool) -> Result<Datum, NotAValue> {
        let token = self.tokens.next();
        if token.trim().is_empty() {
            return Ok(string(token));
        }
        let token = token.trim();
        let digit_first = token.starts_with(|c: char| c.is_ascii_digit());
        if digit_first {
            // The colons of a time divide it into five tokens.
            let mark = self.tokens.mark();
            let rest = self.tokens.next_several(4);
            if let Some(datum) = rest.and_then(|rest| temporal(&format!("{token}{rest}"))) {
                return Ok(datum);
            }
            self.tokens.rewind(mark);
            if let Some(datum) = temporal(token) {
                return Ok(datum);
            }
        }
        if (digit_first || token.starts_with(['+', '-']))
            && token.len() <= MAX_NUMBER_LENGTH
            && let Some(decimal) = parse_decimal(token)
        {
            return Ok(number(token, decimal));
        }
        if embedded { Err(NotAValue) } else { Ok(string(self.tokens.text())) }
    }
}

fn temporal(text: &str) -> Option<Datum> {
    let value = timestamps::parse(&text.replace("\\:", ":"))?;
    let (name, kind) = match value {
        Value::Date(_) => (Schema::DATE, SchemaType::Int32),
        Value::Time(_) => (Schema::TIME, SchemaType::Int32),
        _ => (Schema::TIMESTAMP, SchemaType::Int64),
    };
    let schema = Schema::new(kind).named(name).with_version(1);
    Some(Datum { schema: Some(schema.into_ref()), value })
}

/// The narrowest type: whole numbers by their size, others as float, then double, then decimal.
fn number(text: &str, decimal: Decimal) -> Datum {
    if let Some(whole) = whole(&decimal) {
        let (kind, value) = if let Ok(number) = i8::try_from(whole) {
            (SchemaType::Int8, Value::Int8(number))
        } else if let Ok(number) = i16::try_from(whole) {
            (SchemaType::Int16, Value::Int16(number))
        } else if let Ok(number) = i32::try_from(whole) {
            (SchemaType::Int32, Value::Int32(number))
        } else {
            (SchemaType::Int64, Value::Int64(whole))
        };
        return Datum { schema: Some(schema(kind)), value };
    }
    if decimal.scale != 0 {
        if let Some(number) = text.parse::<f32>().ok().filter(|number| number.is_finite()) {
            return Datum { schema: Some(schema(SchemaType::Float32)), value: Value::Float32(number) };
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            return Datum { schema: Some(schema(SchemaType::Float64)), value: Value::Float64(number) };
        }
    }
    let schema = Schema::new(SchemaType::Bytes)
        .named(Schema::DECIMAL)
        .with_version(1)
        .with_parameter("scale", decimal.scale.to_string());
    Datum::new(schema.into_ref(), decimal)
}

/// The number, if it is whole and fits.
fn whole(decimal: &Decimal) -> Option<i64> {
    let zero = decimal.unscaled == BigInt::ZERO;
    match decimal.scale {
        _ if zero => Some(0),
        0 => i64::try_from(&decimal.unscaled).ok(),
        scale @ -19..0 => i64::try_from(&decimal.unscaled * BigInt::from(10).pow(scale.unsigned_abs())).ok(),
        scale if scale > 0 && u64::from(scale.unsigned_abs()) <= decimal.unscaled.bits() => {
            let divisor = BigInt::from(10).pow(scale.unsigned_abs());
            let exact = &decimal.unscaled % &divisor == BigInt::ZERO;
            i64::try_from(&decimal.unscaled / divisor).ok().filter(|_| exact)
        }
        _ => None,
    }
}

fn string(text: &str) -> Datum {
    Datum::new(schema(SchemaType::String), text)
}

fn schema(kind: SchemaType) -> SchemaRef {
    Schema::new(kind).into_ref()
}
