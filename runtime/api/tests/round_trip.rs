//! Every type of the contract goes through serde unchanged, so that plugins in other processes stay possible.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::time::Duration;

use num_bigint::BigInt;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tributary_api::{
    ConfigDef, ConfigIssue, ConfigKey, ConfigType, ConfigValue, Datum, Decimal, Error, ErrorKind, Factory, Field,
    Header, Importance, OffsetMap, OffsetValue, Origin, Plugin, PluginKind, Record, Requirements, Schema, SchemaType,
    StoreId, StoreSpec, Struct, TableId, TableSpec, Timer, TimestampType, TopicPartition, Validator, Value, Width,
};

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "by way of {json}");
}

/// Numbers that every JSON library reads exactly.
fn number() -> impl Strategy<Value = f64> {
    any::<i32>().prop_map(|number| f64::from(number) / 8.0)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i8>().prop_map(Value::Int8),
        any::<i16>().prop_map(Value::Int16),
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        any::<i16>().prop_map(|number| Value::Float32(f32::from(number) / 8.0)),
        number().prop_map(Value::Float64),
        any::<String>().prop_map(Value::string),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        (any::<i128>(), any::<i32>())
            .prop_map(|(digits, scale)| Value::Decimal(Decimal { unscaled: BigInt::from(digits), scale })),
        any::<i32>().prop_map(Value::Date),
        any::<i32>().prop_map(Value::Time),
        any::<i64>().prop_map(Value::Timestamp),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            inner.prop_map(|value| Struct::new(structure().into_ref(), vec![value, Value::Null]).unwrap().into()),
        ]
    })
}

/// A schema in which everything is set.
fn structure() -> Schema {
    let text = Schema::new(SchemaType::String)
        .optional()
        .named("Name")
        .with_version(3)
        .with_doc("what it means")
        .with_parameter("scale", "2")
        .with_parameter("a", "b")
        .with_default("default");
    let element = Schema::array(Schema::new(SchemaType::Int8).into_ref()).into_ref();
    let map = Schema::map(text.clone().into_ref(), element);
    Schema::structure([("text", text.into_ref()), ("map", map.into_ref())])
}

fn offset_value() -> impl Strategy<Value = OffsetValue> {
    prop_oneof![
        Just(OffsetValue::Null),
        any::<bool>().prop_map(OffsetValue::Boolean),
        any::<i64>().prop_map(OffsetValue::Int),
        number().prop_map(OffsetValue::Float),
        any::<String>().prop_map(OffsetValue::String),
    ]
}

fn offset_map() -> impl Strategy<Value = OffsetMap> {
    prop::collection::btree_map(any::<String>(), offset_value(), 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        Just(Origin::None),
        (prop::option::of(offset_map()), prop::option::of(offset_map()), any::<u64>())
            .prop_map(|(partition, offset, tag)| Origin::Source { partition, offset, tag }),
        (any::<String>(), any::<i32>(), any::<i64>()).prop_map(|(topic, partition, offset)| Origin::Kafka {
            topic: topic.into(),
            partition,
            offset
        }),
    ]
}

proptest! {
    #[test]
    fn records(topic: String, key in value(), value in value(), origin in origin(), partition: Option<i32>, at: Option<i64>) {
        let mut record = Record::new(topic, Datum::new(structure().into_ref(), value));
        record.key = Datum::schemaless(key.clone());
        let header = Header { name: "h".into(), datum: Datum::schemaless(key), raw: Some("raw".into()) };
        record.headers = [header.clone(), header].into_iter().collect();
        (record.partition, record.timestamp, record.origin) = (partition, at, origin);
        record.timestamp_type = TimestampType::LogAppendTime;
        round_trip(&record);
    }

    #[test]
    fn offsets(offset in offset_map()) {
        round_trip(&offset);
    }
}

#[test]
fn schemas() {
    let all = [
        SchemaType::Boolean,
        SchemaType::Int8,
        SchemaType::Int16,
        SchemaType::Int32,
        SchemaType::Int64,
        SchemaType::Float32,
        SchemaType::Float64,
        SchemaType::String,
        SchemaType::Bytes,
        SchemaType::Array,
        SchemaType::Map,
        SchemaType::Struct,
    ];
    all.iter().for_each(|kind| round_trip(&Schema::new(*kind)));
    round_trip(&structure());
    round_trip(&Field { name: "f".into(), schema: structure().into_ref() });
}

#[test]
fn errors() {
    let cause = std::io::Error::other("the disk is full");
    for kind in [ErrorKind::Retriable, ErrorKind::Data, ErrorKind::Config, ErrorKind::Fatal] {
        let error = Error::new(kind, "cannot write").context("cannot commit").cause(&cause);
        round_trip(&error.with_retry_after(Duration::from_millis(1500)).with_class("java.lang.Exception"));
        round_trip(&Error::config_at("timezone", "is missing"));
    }
}

#[test]
fn descriptions() {
    let key = |name: &str, kind| ConfigKey::new(name, kind).doc("what it does").width(Width::Long).order(2);
    let config = ConfigDef::new([
        key("a", ConfigType::Boolean).default(true).group("Group").dependents(&["b"]),
        key("b", ConfigType::Int).required().validator(Validator::Between(1, 5)).importance(Importance::High),
        key("c", ConfigType::List).one_of(&["x", "y"]).display_name("Letters"),
        key("d", ConfigType::Password).internal(),
        key("e", ConfigType::String).validator(Validator::NonEmpty),
        key("n", ConfigType::String).validator(Validator::Name),
        key("l", ConfigType::List).validator(Validator::Distinct { empty: true }),
        key("f", ConfigType::Long).validator(Validator::AtLeast(0)),
        key("g", ConfigType::Class).validator(Validator::OneOfIgnoringCase(vec!["z".to_owned()])),
    ]);
    for kind in [PluginKind::Source, PluginKind::Sink, PluginKind::Processor, PluginKind::ConfigProvider] {
        let plugin = Plugin::new("a.b.C", "1", config.clone(), Factory::Processor);
        let mut description = plugin.alias("d.e.F").doc("doc").needs_processor().description;
        description.kind = kind;
        round_trip(&description);
    }
    round_trip(&config.validate(&[("b".to_owned(), "9".to_owned())].into()));
    round_trip(&ConfigValue::default());
    round_trip(&ConfigIssue::new("a", "is wrong"));
}

#[test]
fn the_state_of_transforms() {
    round_trip(&Requirements {
        stores: vec![StoreSpec { name: "s".to_owned() }],
        tables: vec![TableSpec { name: "t".to_owned(), topic: "topic".to_owned() }],
        timers: true,
    });
    round_trip(&Timer { key: "k".into(), at: -1, payload: vec![0, 255].into() });
    round_trip(&(StoreId(1), TableId(2), TopicPartition::new("t", 3)));
}
