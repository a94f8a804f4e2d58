//! `SimpleHeaderConverter`: header values as text, whose types are guessed when they are read.

mod align;
mod parse;
mod print;
mod tokens;

use std::sync::Arc;

use bytes::Bytes;
use tributary_api::{ConfigDef, Datum, Factory, HeaderConverter, KAFKA_VERSION, Plugin, Result, Value};

use crate::utf8;

pub(crate) fn plugin() -> Plugin {
    let factory = Factory::HeaderConverter(Arc::new(|_| Ok(Box::new(SimpleHeaderConverter))));
    Plugin::new("org.apache.kafka.connect.storage.SimpleHeaderConverter", KAFKA_VERSION, ConfigDef::default(), factory)
        .doc(
            "Header values as text. Read, text becomes a boolean, the narrowest number, a date, a list or a map if it \
         looks like one.",
        )
}

struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn from_connect_header(&mut self, _topic: &str, _name: &str, datum: &Datum) -> Result<Option<Bytes>> {
        Ok(match &datum.value {
            Value::Null => None,
            Value::String(text) => Some(text.clone().into_bytes()),
            other => Some(print::print(other).into()),
        })
    }

    fn to_connect_header(&mut self, _topic: &str, _name: &str, bytes: Option<Bytes>) -> Result<Datum> {
        Ok(bytes.map_or(Datum::NULL, |bytes| parse::parse(&utf8::decode(bytes))))
    }
}
