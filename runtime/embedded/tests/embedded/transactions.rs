use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::{DEADLINE, TestProducer, create_topic, member, read, read_for, reader, start_in, values};

const COMMITTED: (&str, &str) = ("isolation.level", "read_committed");

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_transaction_carries_records_and_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "in", 1, &[]).await;
    create_topic(&broker, "out", 1, &[]).await;
    let source = TestProducer::new(&broker, &[]);
    for n in 0..3 {
        source.send("in", "k", &n.to_string()).unwrap();
    }
    let consumer = member(&broker, "processor", "in", &[COMMITTED]);
    read(&consumer, 3);

    let producer = TestProducer::new(&broker, &[("transactional.id", "processor-0")]);
    producer.inner.init_transactions(DEADLINE).unwrap();
    for round in 0..3_i64 {
        producer.inner.begin_transaction().unwrap();
        producer.queue("out", "k", &format!("{round}a"));
        producer.queue("out", "k", &format!("{round}b"));
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset("in", 0, Offset::Offset(round + 1)).unwrap();
        let group = consumer.group_metadata().unwrap();
        producer.inner.send_offsets_to_transaction(&offsets, &group, DEADLINE).unwrap();
        producer.inner.commit_transaction(DEADLINE).unwrap();
    }

    let out = reader(&broker, "out", Offset::Beginning, &[COMMITTED]);
    assert_eq!(values(&read(&out, 6)), ["0a", "0b", "1a", "1b", "2a", "2b"]);
    assert!(read_for(&out, Duration::from_millis(300)).is_empty());
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition("in", 0);
    let committed = consumer.committed_offsets(wanted, DEADLINE).unwrap();
    assert_eq!(committed.find_partition("in", 0).unwrap().offset(), Offset::Offset(3));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_after_an_aborted_one_commits() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "out", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("transactional.id", "processor-0")]);
    producer.inner.init_transactions(DEADLINE).unwrap();
    producer.inner.begin_transaction().unwrap();
    producer.send("out", "k", "aborted").unwrap();
    producer.inner.abort_transaction(DEADLINE).unwrap();
    producer.inner.begin_transaction().unwrap();
    producer.send("out", "k", "committed").unwrap();
    producer.inner.commit_transaction(DEADLINE).unwrap();

    let out = reader(&broker, "out", Offset::Beginning, &[]);
    let last = read(&out, 2).pop().unwrap();
    assert_eq!(last.payload(), Some(&b"committed"[..]));
    broker.shutdown().await;
}
