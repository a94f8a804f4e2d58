#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use tributary_api::{Props, Requirements, StoreSpec, TableSpec, Timer, TimestampType, Topic};
use tributary_kafka::RawRecord;

use super::host::Links;
use super::restore::Changelogs;
use super::transact::{merge_by_time, token};

fn needs(store: &str, table: &str, timers: bool) -> Requirements {
    let stores = vec![StoreSpec { name: store.to_owned() }];
    let tables = vec![TableSpec { name: "t".to_owned(), topic: table.to_owned() }];
    Requirements { stores, tables, timers }
}

fn chain(aliases: &str) -> Props {
    Props::from([("transforms".to_owned(), aliases.to_owned())])
}

#[test]
fn stores_have_changelogs_and_tables_are_shared() {
    let needs = [needs("people", "customers", true), needs("carts", "customers", false)];
    let links = Links::new(&chain("a, b"), needs.into_iter()).unwrap();
    assert_eq!(links.tables, ["customers"]);
    let names = Changelogs::new("workers", "personalize", &links.layout).topics;
    let expected = ["people", "carts", "timers"].map(|store| format!("workers-personalize-{store}-changelog"));
    assert_eq!(names, expected);
}

#[test]
fn store_of_one_name_is_refused_twice() {
    for second in ["people", "timers"] {
        let needs = [needs("people", "t", false), needs(second, "t", false)];
        let error = Links::new(&chain("a,b"), needs.into_iter()).unwrap_err();
        assert!(error.to_string().contains("transforms.b"), "{error}");
    }
}

#[test]
fn timer_finds_its_transform_by_alias() {
    let links = Links::new(&chain("first,second"), [needs("x", "t", true), needs("y", "t", true)].into_iter()).unwrap();
    let timer = |key: &'static str| Timer { key: Bytes::from_static(key.as_bytes()), at: 1, payload: Bytes::new() };
    let (link, own) = links.owner(&timer("second\0ann\0x")).unwrap();
    assert_eq!((link, &*own.key), (1, b"ann\0x".as_slice()));
    assert!(links.owner(&timer("removed\0ann")).is_none());
    assert!(links.owner(&timer("first")).is_none());
}

#[test]
fn tokens_are_never_an_outputs() {
    let all: std::collections::HashSet<u64> =
        (0..100).flat_map(|partition| (0..4).map(move |slot| token(partition, tributary_state::Slot(slot)))).collect();
    assert_eq!(all.len(), 400);
    assert!(!all.contains(&0));
}

#[test]
fn topics_are_merged_by_time_within_each_partitions_order() {
    let record = |topic: &str, partition: i32, offset: i64, timestamp: i64| RawRecord {
        topic: Topic::from(topic),
        partition,
        offset,
        timestamp: Some(timestamp),
        timestamp_type: TimestampType::CreateTime,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let mut records = vec![
        record("a", 0, 1, 10),
        record("a", 0, 2, 5),
        record("a", 0, 3, 30),
        record("b", 0, 1, 1),
        record("b", 0, 2, 20),
    ];
    merge_by_time(&mut records, 2);
    let order: Vec<(&str, i64)> = records.iter().map(|record| (&*record.topic, record.offset)).collect();
    assert_eq!(order, [("b", 1), ("a", 1), ("a", 2), ("b", 2), ("a", 3)]);
}
