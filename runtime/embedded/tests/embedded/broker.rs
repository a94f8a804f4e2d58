use std::time::{Duration, SystemTime};

use rdkafka::admin::{AdminOptions, ResourceSpecifier};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use tributary_embedded::BrokerStorage;

use crate::kafka::{
    DEADLINE, TestProducer, admin, client, create_topic, key, member, read, read_for, reader, start, start_in, value,
    values,
};

#[tokio::test(flavor = "multi_thread")]
async fn keys_values_headers_and_timestamps_survive() {
    let folder = tempfile::tempdir().unwrap();
    for storage in [BrokerStorage::Memory, BrokerStorage::Directory(folder.path().into())] {
        let broker = start(storage).await;
        create_topic(&broker, "clicks", 1, &[]).await;
        let producer = TestProducer::new(&broker, &[]);
        let headers = OwnedHeaders::new()
            .insert(Header { key: "trace", value: Some("4bf9") })
            .insert(Header { key: "trace", value: Some("second") })
            .insert(Header { key: "nothing", value: None::<&str> });
        let full = BaseRecord::to("clicks").key("k").payload("v").headers(headers).timestamp(1_700_000_000_123);
        producer.inner.send(full).map_err(|(error, _)| error).unwrap();
        producer.inner.send(BaseRecord::<str, str>::to("clicks").payload("no key")).map_err(|e| e.0).unwrap();
        producer.inner.send(BaseRecord::<str, str>::to("clicks").key("tombstone")).map_err(|e| e.0).unwrap();
        assert!(producer.reports().iter().all(Result::is_ok));

        let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 3);
        assert_eq!((key(&records[0]), value(&records[0])), ("k", "v"));
        assert_eq!(records[0].timestamp().to_millis(), Some(1_700_000_000_123));
        let headers: Vec<_> = records[0].headers().unwrap().iter().map(|header| (header.key, header.value)).collect();
        assert_eq!(headers, [("trace", Some(&b"4bf9"[..])), ("trace", Some(b"second")), ("nothing", None)]);
        assert_eq!((records[1].key(), value(&records[1])), (None, "no key"));
        assert_eq!((key(&records[2]), records[2].payload()), ("tombstone", None));
        broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotent_and_compressed_records_are_written_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let expected: Vec<String> = (0..3_000).map(|n| n.to_string()).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let producer = TestProducer::new(
            &broker,
            &[("enable.idempotence", "true"), ("compression.type", codec), ("batch.num.messages", "100")],
        );
        for value in &expected {
            producer.queue("clicks", "k", value);
        }
        assert!(producer.reports().iter().all(Result::is_ok), "{codec}");
    }
    let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 5 * expected.len());
    for (offset, record) in records.iter().enumerate() {
        assert_eq!(record.offset(), i64::try_from(offset).unwrap());
        assert_eq!(value(record), expected[offset % expected.len()]);
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "configs", 3, &[("cleanup.policy", "compact")]).await;

    let consumer: rdkafka::consumer::BaseConsumer = client(&broker, &[]).create().unwrap();
    let metadata = consumer.fetch_metadata(Some("configs"), DEADLINE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    assert_eq!(metadata.brokers()[0].port(), i32::from(broker.addr().port()));

    let wanted = [ResourceSpecifier::Topic("configs")];
    let described = admin(&broker).describe_configs(&wanted, &AdminOptions::new()).await.unwrap();
    let policy = described[0].as_ref().unwrap().get("cleanup.policy").and_then(|entry| entry.value.clone());
    assert_eq!(policy.as_deref(), Some("compact"));

    let again = rdkafka::admin::NewTopic::new("configs", 1, rdkafka::admin::TopicReplication::Fixed(1));
    let again = admin(&broker).create_topics([&again], &AdminOptions::new()).await.unwrap();
    assert_eq!(again[0].as_ref().unwrap_err().1, RDKafkaErrorCode::TopicAlreadyExists);

    let deleted = admin(&broker).delete_topics(&["configs"], &AdminOptions::new()).await.unwrap();
    assert_eq!(deleted[0].as_deref(), Ok("configs"));
    assert!(consumer.fetch_metadata(None, DEADLINE).unwrap().topics().is_empty());
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_topic_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    for storage in [BrokerStorage::Memory, BrokerStorage::Directory(folder.path().into())] {
        let broker = start(storage).await;
        for topic in ["kept", "gone"] {
            create_topic(&broker, topic, 2, &[("cleanup.policy", "compact")]).await;
            TestProducer::new(&broker, &[("partitioner", "murmur2_random")]).send(topic, "k", topic).unwrap();
        }
        let deleted = admin(&broker).delete_topics(&["gone"], &AdminOptions::new()).await.unwrap();
        assert_eq!(deleted[0].as_deref(), Ok("gone"));

        let kept = member(&broker, "sink", "kept", &[]);
        assert_eq!(values(&read(&kept, 1)), ["kept"]);
        let metadata = kept.fetch_metadata(None, DEADLINE).unwrap();
        assert_eq!(metadata.topics().iter().map(|topic| topic.name()).collect::<Vec<_>>(), ["kept"]);
        let wanted = [ResourceSpecifier::Topic("kept")];
        let described = admin(&broker).describe_configs(&wanted, &AdminOptions::new()).await.unwrap();
        assert!(described[0].as_ref().unwrap().get("cleanup.policy").is_some());
        drop(kept);
        broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_not_created_by_its_use() {
    let broker = start(BrokerStorage::Memory).await;
    let settings = [("message.timeout.ms", "3000"), ("topic.metadata.propagation.max.ms", "0")];
    let producer = TestProducer::new(&broker, &settings);
    let error = producer.send("nowhere", "k", "v").unwrap_err();
    let KafkaError::MessageProduction(code) = error else { panic!("{error}") };
    assert!(matches!(code, RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition), "{code}");
    assert!(producer.inner.client().fetch_metadata(None, DEADLINE).unwrap().topics().is_empty());
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_position_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 2, &[]).await;
    let producer = TestProducer::new(&broker, &[]);
    for second in 1..=5 {
        let record = BaseRecord::<str, str>::to("clicks").partition(0).payload("v").timestamp(second * 1_000);
        producer.inner.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.reports();

    let consumer = reader(&broker, "clicks", Offset::End, &[]);
    assert_eq!(consumer.fetch_watermarks("clicks", 0, DEADLINE).unwrap(), (0, 5));
    assert_eq!(consumer.fetch_watermarks("clicks", 1, DEADLINE).unwrap(), (0, 0));
    let find = |time| {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset("clicks", 0, Offset::Offset(time)).unwrap();
        let found = consumer.offsets_for_times(wanted, DEADLINE).unwrap();
        found.find_partition("clicks", 0).unwrap().offset()
    };
    assert_eq!(find(3_000), Offset::Offset(2));
    assert_eq!(find(3_001), Offset::Offset(3));
    assert_eq!(find(6_000), Offset::End);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_gets_a_record_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("linger.ms", "0")]);
    let consumer = reader(&broker, "clicks", Offset::Beginning, &[("fetch.wait.max.ms", "60000")]);
    for round in 0..3 {
        assert!(read_for(&consumer, Duration::from_millis(300)).is_empty());
        producer.send("clicks", "k", "v").unwrap();
        let sent = SystemTime::now();
        assert_eq!(read(&consumer, 1)[0].offset(), round);
        assert!(sent.elapsed().unwrap() < Duration::from_secs(30), "a fetch waited for its time to pass");
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_larger_than_the_fetch_size_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[]).await;
    let producer = TestProducer::new(&broker, &[("message.max.bytes", "20000000")]);
    let large = "x".repeat(7_000_000);
    for value in ["before", &large, "after"] {
        producer.send("clicks", "k", value).unwrap();
    }
    let records = read(&reader(&broker, "clicks", Offset::Beginning, &[]), 3);
    assert_eq!(values(&records).iter().map(|value| value.len()).collect::<Vec<_>>(), [6, 7_000_000, 5]);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_keeps_the_last_record_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "configs", 1, &[("cleanup.policy", "compact")]).await;
    create_topic(&broker, "clicks", 1, &[("cleanup.policy", "delete")]).await;
    let producer = TestProducer::new(&broker, &[]);
    for topic in ["configs", "clicks"] {
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("b", "5"), ("d", "6")] {
            let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some(value) });
            let record = BaseRecord::to(topic).key(key).payload(value).headers(headers);
            producer.inner.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.reports();
    broker.maintain().await.unwrap();

    let compacted = reader(&broker, "configs", Offset::Beginning, &[]);
    assert_eq!(values(&read(&compacted, 4)), ["3", "4", "5", "6"]);
    assert!(read_for(&compacted, Duration::from_millis(500)).is_empty(), "no record is delivered twice");
    assert_eq!(compacted.fetch_watermarks("configs", 0, DEADLINE).unwrap().1, 6);
    assert_eq!(read(&reader(&broker, "clicks", Offset::Beginning, &[]), 6).len(), 6);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_stays_the_end_when_retention_has_removed_all_records() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start_in(folder.path()).await;
    create_topic(&broker, "clicks", 1, &[("cleanup.policy", "delete"), ("retention.ms", "1000")]).await;
    let producer = TestProducer::new(&broker, &[]);
    for value in ["1", "2", "3"] {
        let record = BaseRecord::<str, str>::to("clicks").payload(value).timestamp(1_000);
        producer.inner.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.reports();
    broker.maintain().await.unwrap();

    let consumer = reader(&broker, "clicks", Offset::Beginning, &[]);
    assert_eq!(consumer.fetch_watermarks("clicks", 0, DEADLINE).unwrap(), (3, 3));
    producer.send("clicks", "k", "4").unwrap();
    assert_eq!(values(&read(&consumer, 1)), ["4"]);
    broker.shutdown().await;
}
