use std::sync::Arc;

use tributary_api::{
    ConfigDef, Datum, Error, Factory, Plugin, Record, Records, Result, TransformContext, Transformation, Value, json,
};

use crate::support::Side;

pub(crate) fn plugins() -> [Plugin; 2] {
    Side::BOTH.map(|side| {
        let factory = Factory::Transformation(Arc::new(move |_| Ok(Box::new(FromJson { side }))));
        Plugin::new(
            side.class("tributary.transforms.FromJson"),
            env!("CARGO_PKG_VERSION"),
            ConfigDef::default(),
            factory,
        )
        .doc(
            "Reads text or bytes as JSON, so that other transforms can use its fields: a line of a file, for example, \
             can get a key. The result has no schema; null stays null.",
        )
    })
}

struct FromJson {
    side: Side,
}

impl Transformation for FromJson {
    fn apply(&mut self, mut record: Record, _cx: &mut TransformContext<'_>) -> Result<Records> {
        let side = self.side.of(&mut record);
        let value = match &side.value {
            Value::Null => Value::Null,
            Value::String(text) => json::from_slice(text.as_bytes())?,
            Value::Bytes(bytes) => json::from_slice(bytes)?,
            other => {
                let class = other.java_class();
                return Err(Error::data(format!("only text and bytes can be read as JSON, found: {class}")));
            }
        };
        *side = Datum::schemaless(value);
        Ok(record.into())
    }
}
