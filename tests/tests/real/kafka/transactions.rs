use std::time::{Duration, Instant};

use tributary_kafka::{Consumer, Offsets, Polled, Producer, Role, TopicPartition, TransactionError};

use super::support::{Broker, DeliveryLog, TEST_TIMEOUT, broker, record, unique};

fn transactional(broker: &Broker, id: &str) -> (Producer, std::sync::Arc<DeliveryLog>) {
    let config = broker.config(Role::Producer).set("transactional.id", id).set("transaction.timeout.ms", 10_000);
    let (producer, deliveries) = broker.producer_with(&config);
    producer.init_transactions(TEST_TIMEOUT).unwrap();
    (producer, deliveries)
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_are_seen_and_aborted_ones_are_not() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("transactions", 1).await;
    let (producer, deliveries) = transactional(&broker, &unique("id"));
    let send = |value: &str, token| producer.send(&record(&topic, None, Some(value)), token).unwrap();
    producer.begin_transaction().unwrap();
    send("a", 1);
    send("b", 2);
    producer.commit_transaction(TEST_TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    send("lost", 3);
    producer.flush(TEST_TIMEOUT).unwrap();
    producer.abort_transaction(TEST_TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    send("purged", 4);
    producer.abort_transaction(TEST_TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    send("c", 5);
    producer.commit_transaction(TEST_TIMEOUT).unwrap();
    assert_eq!(broker.values(&topic, 3, "read_committed"), ["a", "b", "c"]);
    assert!(broker.values(&topic, 4, "read_uncommitted").contains(&"lost".to_owned()));
    let tokens: Vec<u64> = deliveries.wait(5).iter().map(|entry| entry.token).collect();
    assert_eq!(tokens, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_back_readers_of_committed_records_only() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("open", 1).await;
    let tp = TopicPartition::new(topic.as_str(), 0);
    let (producer, deliveries) = transactional(&broker, &unique("id"));
    producer.begin_transaction().unwrap();
    producer.send(&record(&topic, None, Some("open")), 0).unwrap();
    deliveries.wait(1);
    let mut reader = broker.reader(&topic, 1, "read_committed");
    let ends =
        |committed_only| reader.end_offsets(std::slice::from_ref(&tp), committed_only, TEST_TIMEOUT).unwrap()[&tp];
    assert_eq!((ends(true), ends(false)), (0, 1));
    assert!(matches!(reader.poll(10, Duration::from_secs(1)).unwrap(), Polled::Idle));
    producer.commit_transaction(TEST_TIMEOUT).unwrap();
    assert_eq!(super::support::read(&mut reader, 1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_owner_of_the_id_fences_the_old_one() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("fence", 1).await;
    let id = unique("id");
    let (old, _) = transactional(&broker, &id);
    old.begin_transaction().unwrap();
    old.send(&record(&topic, None, Some("zombie")), 0).unwrap();
    old.flush(TEST_TIMEOUT).unwrap();
    let (new, _) = transactional(&broker, &id);
    new.begin_transaction().unwrap();
    new.send(&record(&topic, None, Some("alive")), 0).unwrap();
    new.commit_transaction(TEST_TIMEOUT).unwrap();
    let error = old.commit_transaction(TEST_TIMEOUT).unwrap_err();
    assert!(matches!(error, TransactionError::Fenced(_)), "{error:?}");
    assert_eq!(broker.values(&topic, 1, "read_committed"), ["alive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_with_the_records_or_not_at_all() {
    let Some(broker) = broker().await else { return };
    let (input, output) = (broker.topic("input", 1).await, broker.topic("output", 1).await);
    let group = unique("group");
    // The broker confirms the end of a transaction before the group has it: readers of committed offsets wait for that.
    let config = broker.config(Role::Consumer).set("group.id", &group).set("isolation.level", "read_committed");
    let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&input)).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    while consumer.assignment().unwrap().is_empty() {
        assert!(Instant::now() < deadline);
        if let Polled::Assigned(partitions) = consumer.poll(1, Duration::from_millis(500)).unwrap() {
            consumer.accept(&partitions).unwrap();
        }
    }
    let (producer, _) = transactional(&broker, &unique("id"));
    let tp = TopicPartition::new(input.as_str(), 0);
    let transact = |offset: i64| {
        producer.begin_transaction().unwrap();
        producer.send(&record(&output, None, Some("x")), 0).unwrap();
        let metadata = consumer.group_metadata().unwrap();
        let offsets = Offsets::from([(tp.clone(), offset)]);
        producer.send_offsets_to_transaction(&offsets, &metadata, TEST_TIMEOUT).unwrap();
    };
    let observer = Consumer::assign(&config, &[]).unwrap();
    let within = |time| observer.committed(std::slice::from_ref(&tp), time);
    let committed = || within(TEST_TIMEOUT).unwrap();
    transact(11);
    producer.commit_transaction(TEST_TIMEOUT).unwrap();
    assert_eq!(committed(), Offsets::from([(tp.clone(), 11)]));
    transact(22);
    assert!(within(Duration::from_secs(1)).unwrap_err().is_retriable());
    producer.abort_transaction(TEST_TIMEOUT).unwrap();
    assert_eq!(committed(), Offsets::from([(tp.clone(), 11)]));
    // A member that has left the group cannot commit for it any more.
    let gone = consumer.group_metadata().unwrap();
    consumer.close();
    producer.begin_transaction().unwrap();
    let offsets = Offsets::from([(tp.clone(), 33)]);
    let error = producer.send_offsets_to_transaction(&offsets, &gone, TEST_TIMEOUT).unwrap_err();
    assert!(matches!(error, TransactionError::Abort(_)), "{error:?}");
    producer.abort_transaction(TEST_TIMEOUT).unwrap();
    assert_eq!(committed(), Offsets::from([(tp.clone(), 11)]));
}
