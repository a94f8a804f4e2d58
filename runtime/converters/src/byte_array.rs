use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{
    Converter, Datum, DecodeContext, EncodeContext, Error, Factory, KAFKA_VERSION, Plugin, Result, Schema, SchemaRef,
    SchemaType, Value,
};

use crate::as_header::AsHeader;

/// For keys and values, and for headers.
pub(crate) fn plugins() -> [Plugin; 2] {
    let converter = Factory::Converter(Arc::new(|_, _| Ok(Box::new(ByteArrayConverter::new()))));
    let header = Factory::HeaderConverter(Arc::new(|_| Ok(Box::new(AsHeader(ByteArrayConverter::new())))));
    [("value", converter), ("header", header)].map(|(used_for, factory)| {
        Plugin::new(
            "org.apache.kafka.connect.converters.ByteArrayConverter",
            KAFKA_VERSION,
            crate::converter_type(used_for),
            factory,
        )
        .doc("Bytes as they are, without a copy.")
    })
}

struct ByteArrayConverter {
    schema: SchemaRef,
}

impl ByteArrayConverter {
    fn new() -> Self {
        Self { schema: Schema::new(SchemaType::Bytes).optional().into_ref() }
    }
}

impl Converter for ByteArrayConverter {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        if let Some(schema) = &datum.schema
            && schema.kind != SchemaType::Bytes
        {
            let kind = schema.kind.upper_name();
            return Err(Error::data(format!("Invalid schema type for ByteArrayConverter: {kind}")));
        }
        match &datum.value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            other => {
                let class = other.java_class();
                Err(Error::data(format!("ByteArrayConverter is not compatible with objects of type class {class}")))
            }
        }
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        Ok(Datum { schema: Some(self.schema.clone()), value: bytes.map_or(Value::Null, Value::Bytes) })
    }
}
