//! Values as text, plain JSON against another library, offsets, and the trace of errors.
#![allow(clippy::unwrap_used)]

use num_bigint::BigInt;
use proptest::prelude::*;
use tributary_api::{Decimal, Error, OffsetMap, OffsetValue, Schema, SchemaType, Struct, TopicPartition, Value, json};

fn shown(value: impl Into<Value>) -> String {
    value.into().to_string()
}

fn decimal(digits: i64, scale: i32) -> Decimal {
    Decimal { unscaled: BigInt::from(digits), scale }
}

#[test]
fn numbers_are_printed_as_java_prints_them() {
    for (number, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.000_999, "9.99E-4"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.234_5e-7, "1.2345E-7"),
        (-1e300, "-1.0E300"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(shown(number), text);
    }
    assert_eq!(shown(Value::Float32(0.1)), "0.1");
    assert_eq!(shown(Value::Float32(3.4e38)), "3.4E38");
}

#[test]
fn decimals_are_printed_as_java_prints_them() {
    for (digits, scale, text) in [
        (222, 2, "2.22"),
        (-1, 2, "-0.01"),
        (222, 0, "222"),
        (222, -2, "2.22E+4"),
        (5, -3, "5E+3"),
        (1, 6, "0.000001"),
        (1, 7, "1E-7"),
        (123, 10, "1.23E-8"),
        (0, 8, "0E-8"),
        (0, 2, "0.00"),
        (100, 2, "1.00"),
    ] {
        assert_eq!(shown(decimal(digits, scale)), text);
    }
}

#[test]
fn compounds_and_dates_are_printed_as_java_prints_them() {
    assert_eq!(shown(Value::Timestamp(1_566_570_894_346)), "Fri Aug 23 14:34:54 UTC 2019");
    assert_eq!(shown(Value::Timestamp(-1)), "Wed Dec 31 23:59:59 UTC 1969");
    assert_eq!(shown(Value::Date(11_016)), "Tue Feb 29 00:00:00 UTC 2000");
    assert_eq!(shown(Value::map([("a", Value::Array(vec![1.into(), Value::Null]))])), "{a=[1, null]}");
    let int = Schema::new(SchemaType::Int32).optional().into_ref();
    let schema = Schema::structure([("a", int.clone()), ("b", int.clone()), ("c", int)]).into_ref();
    let object = Struct::new(schema, vec![1.into(), Value::Null, 3.into()]).unwrap();
    assert_eq!(shown(object), "Struct{a=1,c=3}");
}

/// JSON of another library, with numbers that every library reads exactly.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(|number| serde_json::Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn plain_json_is_what_another_library_reads_and_writes(document in any_json()) {
        let text = serde_json::to_vec(&document).unwrap();
        let value = json::from_slice(&text).unwrap();
        let written = json::to_vec(&value).unwrap();
        prop_assert_eq!(&written, &text, "{}", String::from_utf8_lossy(&written));
        prop_assert_eq!(json::from_slice(&written).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = json::from_slice(&bytes);
    }
}

#[test]
fn plain_json_has_limits() {
    assert_eq!(json::from_slice(b"18446744073709551615").unwrap(), Value::Float64(18_446_744_073_709_551_615.0));
    assert_eq!(json::from_slice(br#"{"a":1,"a":2}"#).unwrap(), Value::map([("a", 2_i64)]));
    for wrong in ["", "{", "1 2", "{'a':1}", "[1,]", "NaN", "\u{feff}1"] {
        assert!(json::from_slice(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(json::to_vec(&Value::Float64(f64::NAN)).unwrap(), b"null");
    assert_eq!(json::to_vec(&Value::Map(vec![(1.into(), "a".into())])).unwrap(), br#"[[1,"a"]]"#);
    assert_eq!(json::to_vec(&Value::Bytes(vec![1, 2, 3].into())).unwrap(), br#""AQID""#);
    assert_eq!(json::to_vec(&decimal(222, 2).into()).unwrap(), br#""AN4=""#);
}

#[test]
fn paths_lead_into_maps_and_structs() {
    let int = Schema::new(SchemaType::Int32).into_ref();
    let schema = Schema::structure([("inner", int)]).into_ref();
    let mut value = Value::map([("a", Struct::new(schema, vec![5.into()]).unwrap())]);
    assert_eq!(value.path("a.inner").and_then(Value::as_i64), Some(5));
    assert_eq!((value.path("a.other"), value.path("b.inner")), (None, None));
    value.insert("a", 1).unwrap();
    value.insert("b", 2).unwrap();
    assert_eq!(value, Value::map([("a", 1), ("b", 2)]));
    assert!(Value::Int32(1).insert("a", 1).is_err());
}

#[test]
fn offsets_are_equal_in_any_order_and_keep_theirs() {
    let one = OffsetMap::new([("b", 1.into()), ("a", "x".into())]);
    let other = OffsetMap::new([("a", "x".into()), ("b", 1.into())]);
    assert_eq!(one, other);
    assert!(!one.ptr_eq(&other) && one.ptr_eq(&one.clone()));
    assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"b":1,"a":"x"}"#);
    assert_ne!(one, OffsetMap::new([("a", "x".into())]));
    assert_ne!(one, OffsetMap::new([("a", "x".into()), ("b", OffsetValue::Float(1.0))]));
    assert_eq!((one.int("b"), one.string("a"), one.int("a"), one.get("c")), (Some(1), Some("x"), None, None));
    let mut partitions = [TopicPartition::new("b", 0), TopicPartition::new("a", 10), TopicPartition::new("a", 9)];
    partitions.sort();
    assert_eq!(partitions.map(|partition| partition.to_string()), ["a-9", "a-10", "b-0"]);
}

#[test]
fn a_trace_begins_with_class_and_message() {
    let cause = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space");
    let error = Error::retriable("cannot write part 3").cause(&cause).context("cannot flush");
    assert_eq!(
        error.trace(),
        "org.apache.kafka.connect.errors.RetriableException: cannot flush\n\
         Caused by: cannot write part 3\n\
         Caused by: no space"
    );
    assert_eq!(error.to_string(), "cannot flush: cannot write part 3: no space");
    for (error, class) in [
        (Error::data("x"), "org.apache.kafka.connect.errors.DataException"),
        (Error::config("x"), "org.apache.kafka.common.config.ConfigException"),
        (Error::fatal("x"), "org.apache.kafka.connect.errors.ConnectException"),
        (Error::fatal("x").with_class("a.B"), "a.B"),
    ] {
        assert_eq!(error.trace(), format!("{class}: x"));
    }
}

#[test]
fn a_duplicate_name_keeps_its_first_place_and_last_value() {
    for count in [2, 16, 17, 60] {
        let once = |value: usize| (0..count).map(|name| format!("\"n{name}\":{value}")).collect::<Vec<_>>().join(",");
        let read = json::from_slice(format!("{{{},{}}}", once(1), once(2)).as_bytes()).unwrap();
        assert_eq!(read, Value::map((0..count).map(|name| (format!("n{name}"), Value::Int64(2)))));
    }
}

#[test]
fn a_message_that_quotes_its_input_is_cut() {
    let long = "\u{e9}".repeat(600_000);
    let cause = std::io::Error::other(long.clone());
    for error in [Error::data(&*long), Error::data("x").context(&*long), Error::data("x").cause(&cause)] {
        let text = error.to_string();
        assert!(text.len() < 9_000 && text.contains("... and 1191808 bytes more"), "{} bytes", text.len());
    }
    let short = "y".repeat(8_192);
    assert_eq!(Error::data(&*short).to_string(), short);
}
