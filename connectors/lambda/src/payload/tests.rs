#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tributary_api::{Datum, Origin, Record, Schema, SchemaType, Struct, TopicPartition, Value};

use super::*;

fn record(key: Value, value: Value) -> Record {
    let mut record = Record::new("renamed", Datum::schemaless(value)).with_key(Datum::schemaless(key)).at(1_700);
    record.origin = Origin::Kafka { topic: Arc::from("t"), partition: 3, offset: 42 };
    record
}

fn object() -> Value {
    Value::map([("a", Value::Int64(1)), ("b", Value::string("x \"y\"\n"))])
}

/// The event of these records; checks that its size is as computed.
fn event(format: &Format, records: &[Record]) -> Json {
    let written: Vec<Vec<u8>> = records
        .iter()
        .map(|record| {
            let mut bytes = Vec::new();
            format.write(record, &mut bytes).unwrap();
            bytes
        })
        .collect();
    let envelope = format.envelope(&TopicPartition::new("t", 3));
    let bytes = written.iter().map(Vec::len).sum();
    let event = envelope.wrap(written.iter().map(Vec::as_slice), bytes);
    assert_eq!(event.len(), envelope.size(records.len(), bytes));
    serde_json::from_slice(&event).unwrap()
}

#[test]
fn confluents_events_hold_keys_and_values_as_json() {
    let records = [record(Value::string("k"), object()), record(Value::Null, Value::Null)];
    let expected = json!([
        {"payload": {"timestamp": 1700, "topic": "renamed", "partition": 3, "offset": 42, "key": "k",
                     "value": {"a": 1, "b": "x \"y\"\n"}}},
        {"payload": {"timestamp": 1700, "topic": "renamed", "partition": 3, "offset": 42, "key": null, "value": null}},
    ]);
    assert_eq!(event(&Format::Confluent { escaped: false }, &records), expected);
}

#[test]
fn escaped_keys_and_values_are_text_that_holds_json() {
    let event = event(&Format::Confluent { escaped: true }, &[record(Value::Int32(7), object())]);
    let payload = &event[0]["payload"];
    assert_eq!(payload["key"], json!("7"));
    assert_eq!(
        serde_json::from_str::<Json>(payload["value"].as_str().unwrap()).unwrap(),
        json!({"a": 1, "b": "x \"y\"\n"})
    );
}

#[test]
fn the_triggers_events_hold_bytes() {
    let mut one = record(Value::string("k"), Value::Bytes(vec![0, 255].into()));
    one.headers.push("h", Datum::schemaless(Value::Bytes(vec![1, 200].into())));
    // As SimpleHeaderConverter reads it, and as the topic contains it.
    one.headers.push_consumed("date", Datum::schemaless(Value::Date(18_262)), Some("2020-01-01".into()));
    let esm = Format::Esm { servers: "a:1,b:2".to_owned(), arn: None };
    let expected = json!({"eventSource": "SelfManagedKafka", "bootstrapServers": "a:1,b:2", "records": {"t-3": [
        {"topic": "t", "partition": 3, "offset": 42, "timestamp": 1700, "timestampType": "CREATE_TIME", "key": "aw==",
         "value": "AP8=", "headers": [{"h": [1, -56]}, {"date": [50, 48, 50, 48, 45, 48, 49, 45, 48, 49]}]},
        {"topic": "t", "partition": 3, "offset": 42, "timestamp": 1700, "timestampType": "CREATE_TIME", "key": null,
         "value": "eyJhIjoxLCJiIjoieCBcInlcIlxuIn0=", "headers": []},
    ]}});
    assert_eq!(event(&esm, &[one, record(Value::Null, object())]), expected);
    let with_arn = Format::Esm { servers: String::new(), arn: Some("arn:aws:kafka:x".to_owned()) };
    let event = event(&with_arn, &[record(Value::Null, Value::Null)]);
    assert_eq!((&event["eventSource"], &event["eventSourceArn"]), (&json!("aws:kafka"), &json!("arn:aws:kafka:x")));
}

#[test]
fn nordstroms_plain_events_hold_text() {
    let event = event(&Format::NordstromPlain { array: true }, &[record(Value::Null, object())]);
    let expected = json!([{"key": "", "keySchemaName": null, "value": "{a=1, b=x \"y\"\n}", "valueSchemaName": null,
        "topic": "renamed", "partition": 3, "offset": 42, "timestamp": 1700, "timestampTypeName": "CreateTime"}]);
    assert_eq!(event, expected);
}

#[test]
fn nordstroms_json_events_contain_schemas_as_configured() {
    let text = Schema::new(SchemaType::String).into_ref();
    let mut schema = Schema::structure([("name", text)]).named("Person").optional();
    schema.version = Some(2);
    let schema = schema.into_ref();
    let person = Struct::new(Arc::clone(&schema), vec![Value::string("Ann")]).unwrap();
    let mut one = record(Value::string("k"), Value::Null);
    one.value = Datum::new(schema, person);
    let described = json!({"type": "struct", "fields": [{"type": "string", "optional": false, "field": "name"}],
                           "optional": true, "name": "Person", "version": 2});
    for (visibility, value, name, version) in [
        (Visibility::None, json!({"name": "Ann"}), Json::Null, Json::Null),
        (Visibility::Name, json!({"name": "Ann"}), json!("Person"), json!("2")),
        (Visibility::All, json!({"schema": described, "payload": {"name": "Ann"}}), json!("Person"), json!("2")),
    ] {
        let format = Format::NordstromJson { array: false, key: Visibility::Name, value: visibility };
        let expected = json!({"key": "k", "keySchemaName": null, "keySchemaVersion": null, "value": value,
            "valueSchemaName": name, "valueSchemaVersion": version, "topic": "renamed", "partition": 3, "offset": 42,
            "timestamp": 1700, "timestampTypeName": "CreateTime"});
        assert_eq!(event(&format, std::slice::from_ref(&one)), expected, "{visibility:?}");
    }
}
