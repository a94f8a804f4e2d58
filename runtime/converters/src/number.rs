use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{
    Converter, Datum, DecodeContext, EncodeContext, Error, Factory, KAFKA_VERSION, Plugin, Result, Schema, SchemaRef,
    SchemaType, Value,
};

use crate::as_header::AsHeader;

/// Numbers of a fixed width, big-endian, as Java's serializers write them.
pub(crate) fn plugins() -> Vec<Plugin> {
    let kinds = [
        ("Double", SchemaType::Float64),
        ("Float", SchemaType::Float32),
        ("Integer", SchemaType::Int32),
        ("Long", SchemaType::Int64),
        ("Short", SchemaType::Int16),
    ];
    kinds.into_iter().flat_map(|(name, kind)| of_kind(name, kind)).collect()
}

/// For keys and values, and for headers.
fn of_kind(name: &'static str, kind: SchemaType) -> [Plugin; 2] {
    let make = move || NumberConverter { name, schema: Schema::new(kind).optional().into_ref() };
    let converter = Factory::Converter(Arc::new(move |_, _| Ok(Box::new(make()))));
    let header = Factory::HeaderConverter(Arc::new(move |_| Ok(Box::new(AsHeader(make())))));
    [("value", converter), ("header", header)].map(|(used_for, factory)| {
        let class = format!("org.apache.kafka.connect.converters.{name}Converter");
        let doc = format!("{name}s as their big-endian bytes.");
        Plugin::new(class, KAFKA_VERSION, crate::converter_type(used_for), factory).doc(doc)
    })
}

struct NumberConverter {
    name: &'static str,
    schema: SchemaRef,
}

impl Converter for NumberConverter {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        let bytes = match (self.schema.kind, &datum.value) {
            (_, Value::Null) => return Ok(None),
            (SchemaType::Float64, Value::Float64(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (SchemaType::Float32, Value::Float32(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (SchemaType::Int32, Value::Int32(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (SchemaType::Int64, Value::Int64(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (SchemaType::Int16, Value::Int16(number)) => Bytes::copy_from_slice(&number.to_be_bytes()),
            (_, other) => {
                let (name, class) = (self.name.to_lowercase(), other.java_class());
                return Err(Error::data(format!("Failed to serialize to {name} (was class {class}): ")));
            }
        };
        Ok(Some(bytes))
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => parse(self.schema.kind, &bytes).ok_or_else(|| self.wrong_width(bytes.len()))?,
        };
        Ok(Datum { schema: Some(self.schema.clone()), value })
    }
}

impl NumberConverter {
    fn wrong_width(&self, length: usize) -> Error {
        let cause = Error::data(format!("{length} bytes are not the width of the type"));
        Error::data(format!("Failed to deserialize {}: ", self.name.to_lowercase())).cause(&cause)
    }
}

fn parse(kind: SchemaType, bytes: &[u8]) -> Option<Value> {
    Some(match kind {
        SchemaType::Float64 => Value::Float64(f64::from_be_bytes(bytes.try_into().ok()?)),
        SchemaType::Float32 => Value::Float32(f32::from_be_bytes(bytes.try_into().ok()?)),
        SchemaType::Int32 => Value::Int32(i32::from_be_bytes(bytes.try_into().ok()?)),
        SchemaType::Int64 => Value::Int64(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => Value::Int16(i16::from_be_bytes(bytes.try_into().ok()?)),
    })
}
