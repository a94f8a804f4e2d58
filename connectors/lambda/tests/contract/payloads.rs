//! Events of every format, to the byte. tests/golden/README.md says where each shape is from.

use std::sync::Arc;

use tributary_api::{
    Datum, Origin, Props, Record, Schema, SchemaRef, SchemaType, Struct, TimestampType, TopicPartition, Value,
};
use tributary_testkit::FakeSinkHost;

use crate::support::{Setup, Task, plugin};

const TOPIC: &str = "orders";

/// A struct with a schema under a text key, a map without one, a tombstone, bytes.
fn records() -> Vec<Record> {
    let text = Schema::new(SchemaType::String).into_ref();
    let (key, order) = (Datum::new(Arc::clone(&text), Value::string("k-1")), schema(&text));
    let values = vec![
        Value::string("Ann \"A\" K\u{e4}se"),
        Value::Int32(-3),
        Value::Float64(0.5),
        Value::Bytes(vec![0, 200].into()),
        Value::Null,
    ];
    let mut first = at(0, key, Datum::new(Arc::clone(&order), Struct::new(order, values).unwrap()));
    first.headers.push("trace", Datum::schemaless(Value::string("a-1")));
    first.headers.push("raw", Datum::schemaless(Value::Bytes(vec![1, 200].into())));
    let inner = Value::map([("sku", Value::string("B")), ("price", Value::Float64(5.0))]);
    let map = Value::map([("n", Value::Int64(1)), ("items", Value::Array(vec![inner])), ("none", Value::Null)]);
    let mut second = at(1, Datum::schemaless(Value::Int64(7)), Datum::schemaless(map));
    second.timestamp_type = TimestampType::LogAppendTime;
    let mut fourth = at(3, Datum::NULL, Datum::schemaless(Value::Bytes(vec![1, 2, 3].into())));
    (fourth.timestamp, fourth.timestamp_type) = (None, TimestampType::None);
    vec![first, second, at(2, Datum::schemaless(Value::string("k-1")), Datum::NULL), fourth]
}

fn schema(text: &SchemaRef) -> SchemaRef {
    let of = |kind| Schema::new(kind).into_ref();
    let mut schema = Schema::structure([
        ("name", Arc::clone(text)),
        ("count", of(SchemaType::Int32)),
        ("share", of(SchemaType::Float64)),
        ("raw", of(SchemaType::Bytes)),
        ("gone", Schema::new(SchemaType::String).optional().into_ref()),
    ])
    .named("shop.Order");
    schema.version = Some(2);
    schema.into_ref()
}

fn at(offset: i64, key: Datum, value: Datum) -> Record {
    let mut record = Record::new(TOPIC, value).with_key(key).at(1_700_000_000_000 + offset);
    record.timestamp_type = TimestampType::CreateTime;
    record.origin = Origin::Kafka { topic: Arc::from(TOPIC), partition: 0, offset };
    record
}

/// What a function is given for these records.
async fn event(place: &Setup, props: &Props) -> String {
    let mut task = Task::try_start(&plugin(), props, FakeSinkHost::new()).await.unwrap();
    task.task.put(&records()).await.unwrap();
    let all = [(TopicPartition::new(TOPIC, 0), 4)].into();
    while task.task.pre_commit(&all).await.unwrap() != all {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        task.task.put(&[]).await.unwrap();
    }
    String::from_utf8(place.events()[0].payload.to_vec()).unwrap()
}

async fn check(format: &str, more: &[(&str, &str)], golden: &str) {
    let place = Setup::new().await;
    let props = place.props(&[&[("aws.lambda.payload.format", format)], more].concat());
    assert_eq!(event(&place, &props).await, golden.trim_end(), "{format}");
}

#[tokio::test]
async fn the_payload_of_confluents_connector() {
    check("confluent", &[], include_str!("../golden/confluent.json")).await;
}

#[tokio::test]
async fn the_escaped_payload_of_confluents_connector() {
    check("confluent-escaped", &[], include_str!("../golden/confluent-escaped.json")).await;
}

#[tokio::test]
async fn the_payload_of_an_event_source_mapping() {
    let servers = [("aws.lambda.esm.bootstrap.servers", "b-1.shop:9092,b-2.shop:9092")];
    check("esm", &servers, include_str!("../golden/esm.json")).await;
}

#[tokio::test]
async fn the_plain_payload_of_nordstroms_connector() {
    check("nordstrom-plain", &[], include_str!("../golden/nordstrom-plain.json")).await;
}

#[tokio::test]
async fn the_json_payload_of_nordstroms_connector() {
    check("nordstrom-json", &[], include_str!("../golden/nordstrom-json.json")).await;
}
