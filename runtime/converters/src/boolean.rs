use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{
    Converter, Datum, DecodeContext, EncodeContext, Error, Factory, KAFKA_VERSION, Plugin, Result, Schema, SchemaRef,
    SchemaType, Value,
};

use crate::as_header::AsHeader;

/// For keys and values, and for headers.
pub(crate) fn plugins() -> [Plugin; 2] {
    let converter = Factory::Converter(Arc::new(|_, _| Ok(Box::new(BooleanConverter::new()))));
    let header = Factory::HeaderConverter(Arc::new(|_| Ok(Box::new(AsHeader(BooleanConverter::new())))));
    [("value", converter), ("header", header)].map(|(used_for, factory)| {
        Plugin::new(
            "org.apache.kafka.connect.converters.BooleanConverter",
            KAFKA_VERSION,
            crate::converter_type(used_for),
            factory,
        )
        .doc("Booleans as one byte, 0 or 1.")
    })
}

struct BooleanConverter {
    schema: SchemaRef,
}

impl BooleanConverter {
    fn new() -> Self {
        Self { schema: Schema::new(SchemaType::Boolean).optional().into_ref() }
    }
}

impl Converter for BooleanConverter {
    fn from_connect_data(&mut self, _cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        if let Some(schema) = &datum.schema
            && schema.kind != SchemaType::Boolean
        {
            let kind = schema.kind.upper_name();
            return Err(Error::data(format!("Invalid schema type for BooleanConverter: {kind}")));
        }
        match &datum.value {
            Value::Null => Ok(None),
            Value::Boolean(false) => Ok(Some(Bytes::from_static(&[0]))),
            Value::Boolean(true) => Ok(Some(Bytes::from_static(&[1]))),
            other => {
                let class = other.java_class();
                Err(Error::data(format!("BooleanConverter is not compatible with objects of type class {class}")))
            }
        }
    }

    fn to_connect_data(&mut self, _cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        let value = match bytes.as_deref() {
            None => Value::Null,
            Some([0]) => Value::Boolean(false),
            Some([1]) => Value::Boolean(true),
            Some(other) => {
                let cause = Error::data(format!("expected one byte, 0 or 1, but found {} bytes", other.len()));
                return Err(Error::data("Failed to deserialize boolean: ").cause(&cause));
            }
        };
        Ok(Datum { schema: Some(self.schema.clone()), value })
    }
}
