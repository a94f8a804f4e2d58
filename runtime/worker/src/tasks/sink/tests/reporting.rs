//! What is handed to the dead letter queue.

use bytes::Bytes;
use tributary_api::{Datum, PluginRegistry, TimestampType, Value};
use tributary_kafka::RawRecord;

use crate::tasks::Decoder;
use crate::tasks::tests::fakes::{props, registry, settings};

/// A plugin may report a record long after the batch in which it came.
#[tokio::test]
async fn a_record_that_is_reported_late_is_as_it_was_consumed() {
    let mut decoder = Decoder::for_sink(&props(&[]), &settings(&[]).defaults, &registry()).unwrap();
    let consumed = RawRecord {
        topic: "t".into(),
        partition: 3,
        offset: 42,
        timestamp: Some(99),
        timestamp_type: TimestampType::LogAppendTime,
        key: Some("k".into()),
        value: Some("v".into()),
        headers: vec![("trace".into(), Some("1".into())), ("trace".into(), Some("2".into())), ("empty".into(), None)],
    };
    let record = decoder.decode(consumed.clone()).map_err(|failure| failure.error).unwrap();
    assert_eq!(decoder.encode_again(&record).unwrap(), consumed);
}

/// Kafka's own converters, with which what is read cannot always be written.
fn kafkas(settings: &[(&str, &str)]) -> Decoder {
    let plugins = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let defaults = [("key.converter", "StringConverter"), ("header.converter", "SimpleHeaderConverter")];
    let all: Vec<_> = defaults.iter().chain(settings).copied().collect();
    Decoder::for_sink(&props(&[]), &props(&all), &plugins).unwrap()
}

fn consumed(value: &'static str, headers: &[(&'static str, &'static str)]) -> RawRecord {
    RawRecord {
        topic: "t".into(),
        partition: 3,
        offset: 42,
        timestamp: Some(99),
        timestamp_type: TimestampType::CreateTime,
        key: Some("k".into()),
        value: Some(value.into()),
        headers: headers.iter().map(|(name, value)| ((*name).into(), Some(Bytes::from(*value)))).collect(),
    }
}

#[test]
fn a_record_that_cannot_be_written_as_it_was_is_reported_all_the_same() {
    let mut decoder = kafkas(&[("value.converter", "JsonConverter")]);
    // Both Kafka and we read a number of another scale than the schema's, and do not write it.
    let schema = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
    let text: &'static str = format!(r#"{{"schema":{schema},"payload":1.5}}"#).leak();
    let record = decoder.decode(consumed(text, &[])).map_err(|failure| failure.error).unwrap();
    let letter = decoder.encode_again(&record).unwrap();
    assert_eq!((&*letter.topic, letter.partition, letter.offset, letter.timestamp), ("t", 3, 42, Some(99)));
    assert_eq!((letter.key, letter.value), (None, None));
}

#[test]
fn headers_stay_the_topics_bytes_until_somebody_changes_them() {
    let headers = [("date", "2020-01-01"), ("number", "69203120e780"), ("time", "14:34:22.222Z"), ("text", "x")];
    let mut decoder = kafkas(&[("value.converter", "StringConverter")]);
    let raw = consumed("v", &headers);
    let mut record = decoder.decode(raw.clone()).map_err(|failure| failure.error).unwrap();
    assert!(matches!(record.headers.last("number").unwrap().datum.value, Value::Decimal(_)));
    assert_eq!(decoder.encode_again(&record).unwrap(), raw);
    record.headers.remove("number");
    record.headers.push("number", Datum::schemaless(Value::Int64(7)));
    let changed = decoder.encode_again(&record).unwrap();
    assert_eq!(changed.headers.last().unwrap(), &("number".into(), Some("7".into())));
}
