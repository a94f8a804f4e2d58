#![allow(clippy::unwrap_used, clippy::expect_used)]

use tributary_api::{Props, Requirements, Timer, TimestampType, Topic};
use tributary_kafka::RawRecord;

use super::config::ProcessorConfig;
use super::delivery_reports::{OUTPUT, Refusal, output_token};
use super::fill::{BatchProgress, OutputOrigin, merge_by_time};
use super::restore::Changelogs;
use super::transact::{changelog, token};
use super::transform_stores::TransformStores;
use crate::fixtures::{props, worker_settings};

fn needs(store: &str, table: &str, timers: bool) -> Requirements {
    let needs = Requirements::default().store(store).table("t", table);
    if timers { needs.with_timers() } else { needs }
}

fn chain(aliases: &str) -> Props {
    Props::from([("transforms".to_owned(), aliases.to_owned())])
}

#[test]
fn stores_have_changelogs_and_tables_are_shared() {
    let needs = [needs("people", "customers", true), needs("carts", "customers", false)];
    let stores = TransformStores::new(&chain("a, b"), needs.into_iter()).unwrap();
    assert_eq!(stores.tables.iter().map(|table| table.topic.as_str()).collect::<Vec<_>>(), ["customers"]);
    let names = Changelogs::new("workers", "personalize", &stores.layout).topics;
    let expected = ["people", "carts", "timers"].map(|store| format!("workers-personalize-{store}-changelog"));
    assert_eq!(names, expected);
}

#[test]
fn store_of_one_name_is_refused_twice() {
    for second in ["people", "timers"] {
        let needs = [needs("people", "t", false), needs(second, "t", false)];
        let error = TransformStores::new(&chain("a,b"), needs.into_iter()).unwrap_err();
        assert!(error.to_string().contains("transforms.b"), "{error}");
    }
}

#[test]
fn a_topic_that_a_transform_writes_to_read_it_again_must_be_an_input() {
    let needs = || vec![Requirements::default().repartition("merges")].into_iter();
    let error = TransformStores::new(&chain("a"), needs()).err().unwrap();
    assert!(error.to_string().contains("transforms.a writes topic merges"), "{error}");
    let mut connector = chain("a");
    connector.insert("repartition.topics".to_owned(), "other, merges".to_owned());
    assert!(TransformStores::new(&connector, needs()).is_ok());
}

#[test]
fn timer_finds_its_transform_by_alias() {
    let stores =
        TransformStores::new(&chain("first,second"), [needs("x", "t", true), needs("y", "t", true)].into_iter())
            .unwrap();
    let timer = |key: &'static str| Timer::new(key, 1, "");
    let (link, own) = stores.owner(&timer("second\0ann\0x")).unwrap();
    assert_eq!((link, &*own.key), (1, b"ann\0x".as_slice()));
    assert!(stores.owner(&timer("removed\0ann")).is_none());
    assert!(stores.owner(&timer("first")).is_none());
}

#[test]
fn message_tokens_are_never_reused_for_outputs() {
    let all: std::collections::HashSet<u64> =
        (0..100).flat_map(|partition| (0..4).map(move |slot| token(partition, tributary_state::Slot(slot)))).collect();
    assert_eq!(all.len(), 400);
    assert!(all.iter().all(|token| token & OUTPUT == 0));
    assert_eq!(changelog(token(70_000, tributary_state::Slot(3))), Some((70_000, 3)));
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

#[tokio::test]
async fn a_transaction_that_outlives_its_owners_session_is_refused_with_both_numbers() {
    let worker = worker_settings(&[]);
    let issue = |more: &[(&str, &str)]| {
        let connector = props(&[&[("name", "p"), ("topics", "in")][..], more].concat());
        let error = ProcessorConfig::parse(&connector, &worker).err()?;
        Some((error.property().unwrap_or_default().to_owned(), error.to_string()))
    };
    assert_eq!(issue(&[]), None);
    assert_eq!(issue(&[("transaction.timeout.ms", "9999")]), None);
    let (name, message) = issue(&[("transaction.timeout.ms", "10000")]).unwrap();
    assert_eq!(name, "transaction.timeout.ms");
    assert!(message.contains("is 10000 and") && message.contains("session.timeout.ms is 10000"), "{message}");
    let short = ("consumer.override.session.timeout.ms", "6000");
    assert_eq!(issue(&[short]), None, "the default follows the session");
    assert!(issue(&[("transaction.timeout.ms", "9000"), short]).unwrap().1.contains("6000"));
    let session = ("consumer.override.session.timeout.ms", "45000");
    assert_eq!(issue(&[("transaction.timeout.ms", "40000"), session]), None);
    assert!(issue(&[("transaction.timeout.ms", "60000"), session]).unwrap().1.contains("45000"));
    assert_eq!(issue(&[("transaction.timeout.ms", "60000"), ("processing.guarantee", "at_least_once")]), None);
}

#[tokio::test]
async fn repartition_topics_need_another_input() {
    let worker = worker_settings(&[]);
    let issue = |topics: &str| {
        let connector = props(&[("name", "p"), ("topics", topics), ("repartition.topics", "again")]);
        ProcessorConfig::parse(&connector, &worker).err().map(|error| error.property().unwrap_or_default().to_owned())
    };
    assert_eq!(issue("in"), None);
    assert_eq!(issue("again,in"), None);
    assert_eq!(issue("again").as_deref(), Some("repartition.topics"));
}

#[test]
fn one_refused_record_is_known_by_its_token_and_several_are_searched() {
    let raw = |offset| RawRecord {
        topic: Topic::from("in"),
        partition: 0,
        offset,
        timestamp: None,
        timestamp_type: TimestampType::CreateTime,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let mut progress = BatchProgress::of(&[raw(7), raw(8)]);
    let origin = |offset| OutputOrigin::Record { topic: Topic::from("in"), partition: 0, offset };
    progress.origins.extend([origin(7), origin(8)]);
    let refusal = |tokens: &[u64]| Refusal { error: tributary_api::Error::data("too large"), tokens: tokens.to_vec() };
    let second = [output_token(0, 1), output_token(7, 1)];
    assert_eq!(progress.failing_origin(&refusal(&second)), Some(&origin(8)));
    assert_eq!(progress.failing_origin(&refusal(&[output_token(0, 0), output_token(0, 1)])), None, "it may be either");
    assert_eq!(progress.failing_origin(&refusal(&[second[0], 3])), None, "state is of any");
    progress.origins.truncate(1);
    assert_eq!(progress.failing_origin(&refusal(&[3])), Some(&origin(7)), "there is no other");
}
