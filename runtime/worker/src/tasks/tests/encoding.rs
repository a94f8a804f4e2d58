//! What converters know of a record, and add to it.

use tributary_api::*;
use tributary_kafka::RawRecord;

use super::fakes::{Text, registry};
use crate::tasks::{Converters, Decoder, Encoder, TransformationChain};

const HEADER: &str = "schema.of.";

/// Text whose schema's name is in a header, one for the key and one for the value: the topic, and how many headers were
/// there before.
struct Named(&'static str);

impl Converter for Named {
    fn from_connect_data(&mut self, cx: &mut EncodeContext<'_>, datum: &Datum) -> Result<Option<Bytes>> {
        let schema = format!("{}-{}", cx.topic(), cx.headers().len());
        cx.push_header(format!("{HEADER}{}", self.0), Some(schema.into()));
        Text.from_connect_data(cx, datum)
    }

    fn to_connect_data(&mut self, cx: &DecodeContext<'_>, bytes: Option<Bytes>) -> Result<Datum> {
        let schema = cx.header(&format!("{HEADER}{}", self.0)).ok_or_else(|| Error::data("no schema"))?;
        let text = Text.to_connect_data(cx, bytes)?;
        Ok(Datum::schemaless(format!("{} as {} of {}", text.value, String::from_utf8_lossy(schema), cx.topic())))
    }
}

fn converters() -> Converters {
    let class = |name: &str| name.into();
    Converters {
        key: Box::new(Named("key")),
        key_class: class("test.Key"),
        value: Box::new(Named("value")),
        value_class: class("test.Value"),
        header: Box::new(Text),
        header_class: class("test.Header"),
    }
}

fn chain() -> TransformationChain {
    TransformationChain::build_stateless(&Props::new(), &registry()).unwrap()
}

fn names(headers: &RawHeaders) -> Vec<&str> {
    headers.iter().map(|(name, _)| &**name).collect()
}

#[test]
fn converters_add_headers_and_read_them_again() {
    let mut record = Record::new("orders", Datum::schemaless("v")).with_key(Datum::schemaless("k"));
    record.headers.push("trace", Datum::schemaless("t"));
    let encoded = Encoder::new(chain(), converters()).encode(record).unwrap();
    assert_eq!(names(&encoded.headers), ["trace", "schema.of.key", "schema.of.value"]);

    let raw = RawRecord {
        topic: encoded.topic,
        partition: 0,
        offset: 1,
        timestamp: None,
        timestamp_type: TimestampType::None,
        key: encoded.key,
        value: encoded.value,
        headers: encoded.headers,
    };
    let mut decoder = Decoder::new(chain(), converters());
    let read = decoder.decode(raw.clone()).unwrap();
    assert_eq!(read.key.value.as_str(), Some("k as orders-1 of orders"));
    assert_eq!(read.value.value.as_str(), Some("v as orders-2 of orders"));

    let again = decoder.encode_again(&read).unwrap();
    assert_eq!(names(&again.headers), names(&raw.headers), "what was added once is not added again");
    let without = RawRecord { headers: RawHeaders::new(), ..raw };
    assert!(decoder.decode(without).is_err());
}
