use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tributary_api::{ErrorKind, Props};
use tributary_kafka::{CompactedLog, LogOptions, LogRecord, NewTopic, Role};

use super::support::{Broker, TEST_TIMEOUT, broker, own_broker, record, unique};

type Table = Arc<Mutex<BTreeMap<Bytes, Option<Bytes>>>>;

fn options(broker: &Broker, name: &str, create: bool) -> LogOptions {
    let config = Props::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    LogOptions {
        topic: NewTopic { name: name.to_owned(), partitions: 5, replication: 1, config },
        create,
        producer: broker.config(Role::Producer).set("linger.ms", 0),
        consumer: broker.config(Role::Consumer).set("isolation.level", "read_committed"),
        admin: broker.config(Role::Admin),
        require_compacted: true,
    }
}

async fn open(broker: &Broker, name: &str) -> (CompactedLog, Table) {
    let table = Table::default();
    let into = table.clone();
    let on_record = move |record: LogRecord| {
        into.lock().unwrap().insert(record.key.unwrap(), record.value);
    };
    let log = CompactedLog::open(options(broker, name, true), Box::new(on_record)).await.unwrap();
    (log, table)
}

fn key(n: usize) -> Bytes {
    Bytes::from(format!("key-{n}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_to_its_end_and_then_followed() {
    let Some(broker) = broker().await else { return };
    let name = unique("log");
    let (one, seen_by_one) = open(&broker, &name).await;
    assert!(seen_by_one.lock().unwrap().is_empty());
    one.write_all((0..500).map(|n| (key(n), Some(Bytes::from_static(b"1")))).collect()).await.unwrap();
    let (two, seen_by_two) = open(&broker, &name).await;
    assert_eq!(seen_by_two.lock().unwrap().len(), 500, "open returns when everything is read");
    for n in 0..20 {
        two.write(key(n), None).await.unwrap();
        one.read_to_end().await.unwrap();
        assert_eq!(seen_by_one.lock().unwrap()[&key(n)], None, "what was written before is read");
    }
    two.clone().close().await;
    assert_eq!(two.read_to_end().await.unwrap_err().kind(), ErrorKind::Fatal);
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_of_transactions_at_the_end_do_not_keep_a_reader_waiting() {
    let Some(broker) = broker().await else { return };
    let name = unique("log");
    let (log, seen) = open(&broker, &name).await;
    let config = broker.config(Role::Producer).set("transactional.id", unique("id"));
    let (producer, _) = broker.producer_with(&config);
    producer.init_transactions(TEST_TIMEOUT).unwrap();
    for (commit, value) in [(true, "kept"), (false, "dropped")] {
        producer.begin_transaction().unwrap();
        producer.send(&record(&name, Some("key"), Some(value)), 0).unwrap();
        producer.flush(TEST_TIMEOUT).unwrap();
        if commit {
            producer.commit_transaction(TEST_TIMEOUT).unwrap();
        } else {
            producer.abort_transaction(TEST_TIMEOUT).unwrap();
        }
    }
    log.read_to_end().await.unwrap();
    let expected = BTreeMap::from([(Bytes::from_static(b"key"), Some(Bytes::from_static(b"kept")))]);
    assert_eq!(*seen.lock().unwrap(), expected);
    let (again, seen) = open(&broker, &name).await;
    assert_eq!(*seen.lock().unwrap(), expected);
    again.close().await;
    log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_compacted_is_refused() {
    let Some(broker) = broker().await else { return };
    let name = broker.topic("plain", 1).await;
    let refused = CompactedLog::open(options(&broker, &name, true), Box::new(|_| {})).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.to_string().contains("is required to have 'cleanup.policy=compact'"), "{refused}");
    assert!(refused.to_string().contains("currently has 'cleanup.policy=delete'"), "{refused}");
    let absent = unique("absent");
    let refused = CompactedLog::open(options(&broker, &absent, false), Box::new(|_| {})).await.unwrap_err();
    assert!(refused.to_string().contains("does not exist"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_to_its_end_soon_after_its_broker_came_back() {
    let Some((broker, mut kafka)) = own_broker().await else { return };
    let (log, seen) = open(&broker, &unique("log")).await;
    log.write(key(0), Some(Bytes::from_static(b"before"))).await.unwrap();
    for _ in 0..2 {
        kafka.kill9().await.unwrap();
        kafka.restart().await.unwrap();
        // The client's own look for leaders, every five minutes, would be too late.
        tokio::time::timeout(TEST_TIMEOUT, log.read_to_end()).await.unwrap().unwrap();
    }
    log.write(key(1), Some(Bytes::from_static(b"after"))).await.unwrap();
    log.read_to_end().await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    log.close().await;
}
