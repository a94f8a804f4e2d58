use tributary_api::{Datum, Error, Result, Struct, Value};

use super::decimal::decimal128;
use super::encoder::Encoder;
use super::{json, raw};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Makes a document of a record's key or value: a struct or a map field by field, text as (extended) JSON, bytes as BSON.
///
/// # Errors
/// `Data` when no document can be made of it.
pub(crate) fn encode(datum: &Datum, out: &mut Encoder) -> Result<()> {
    match &datum.value {
        Value::Struct(object) => {
            out.restart(false);
            fields(object, out)?;
            out.finish()
        }
        Value::Map(map) => {
            out.restart(false);
            entries(map, out)?;
            out.finish()
        }
        Value::String(text) => json::read(text, out),
        Value::Bytes(bytes) => raw::read(bytes, out),
        other => Err(Error::data(format!(
            "no document can be made of a {}: use a converter that makes structs, maps, JSON text or BSON",
            other.java_class()
        ))),
    }
}

fn fields(object: &Struct, out: &mut Encoder) -> Result<()> {
    for (field, value) in object.schema().fields.iter().zip(object.values()) {
        out.name(&field.name)?;
        // A null field has its default, as in Java's `Struct`.
        write(field.schema.default_for(value).unwrap_or(value), out)?;
    }
    Ok(())
}

fn entries(map: &[(Value, Value)], out: &mut Encoder) -> Result<()> {
    for (key, value) in map {
        let Value::String(key) = key else {
            return Err(Error::data(format!(
                "a map has a key that is a {}: only text can name a field",
                key.java_class()
            )));
        };
        out.name(key)?;
        write(value, out)?;
    }
    Ok(())
}

fn write(value: &Value, out: &mut Encoder) -> Result<()> {
    match value {
        Value::Null => out.null(),
        Value::Boolean(value) => out.boolean(*value),
        Value::Int8(number) => out.int32((*number).into()),
        Value::Int16(number) => out.int32((*number).into()),
        Value::Int32(number) => out.int32(*number),
        Value::Int64(number) => out.int64(*number),
        Value::Float32(number) => out.double((*number).into()),
        Value::Float64(number) => out.double(*number),
        Value::String(text) => out.string(text),
        Value::Bytes(bytes) => out.binary(0, bytes),
        Value::Decimal(number) => out.decimal(decimal128(number)?),
        Value::Date(days) => out.date(i64::from(*days) * DAY),
        Value::Time(milliseconds) => out.date((*milliseconds).into()),
        Value::Timestamp(milliseconds) => out.date(*milliseconds),
        Value::Array(items) => {
            out.begin_array()?;
            for item in items {
                out.element();
                write(item, out)?;
            }
            out.end();
        }
        Value::Map(map) => {
            out.begin_document()?;
            entries(map, out)?;
            out.end();
        }
        Value::Struct(object) => {
            out.begin_document()?;
            fields(object, out)?;
            out.end();
        }
    }
    Ok(())
}
