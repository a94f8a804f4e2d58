use tributary_kafka::{ProducerRecord, Role, TimestampType};

use super::support::{TEST_TIMEOUT, broker, read, record};

#[tokio::test(flavor = "multi_thread")]
async fn sent_records_are_reported_once_and_read_unchanged() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("roundtrip", 1).await;
    let (producer, deliveries) = broker.producer();
    let headers: [(&str, Option<&[u8]>); 3] = [("a", Some(b"1")), ("a", None), ("empty", Some(b""))];
    let full = ProducerRecord {
        topic: &topic,
        partition: Some(0),
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &headers,
        timestamp: Some(1_700_000_000_123),
    };
    producer.send(&full, 7).unwrap();
    producer.send(&record(&topic, Some("tombstone"), None), 8).unwrap();
    producer.send(&record(&topic, None, Some("")), 9).unwrap();
    producer.flush(TEST_TIMEOUT).unwrap();
    let reported: Vec<_> = deliveries.wait(3).into_iter().map(|entry| (entry.token, entry.result.unwrap())).collect();
    assert_eq!(reported, [(7, (0, 0)), (8, (0, 1)), (9, (0, 2))]);
    assert_eq!(producer.in_flight(), 0);

    let records = read(&mut broker.reader(&topic, 1, "read_uncommitted"), 3);
    let first = &records[0];
    assert_eq!((&*first.topic, first.partition, first.offset), (&*topic, 0, 0));
    assert_eq!((first.timestamp, first.timestamp_type), (Some(1_700_000_000_123), TimestampType::CreateTime));
    assert_eq!((first.key.as_deref(), first.value.as_deref()), (Some(&b"key"[..]), Some(&b"value"[..])));
    let read_headers: Vec<_> = first.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(read_headers, headers);
    assert_eq!((records[1].key.as_deref(), records[1].value.as_deref()), (Some(&b"tombstone"[..]), None));
    assert_eq!((records[2].key.as_deref(), records[2].value.as_deref()), (None, Some(&b""[..])));
    assert!(records[2].headers.is_empty());
}

/// Values of `org.apache.kafka.common.utils.Utils.murmur2`, as Kafka's own tests have them.
#[tokio::test(flavor = "multi_thread")]
async fn keys_go_to_the_partitions_that_java_chooses() {
    const JAVA: [(&str, i32); 7] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
        ("", 275_646_681),
    ];
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("murmur2", 17).await;
    let (producer, deliveries) = broker.producer();
    for (token, (key, _)) in (0..).zip(JAVA) {
        producer.send(&record(&topic, Some(key), Some("x")), token).unwrap();
    }
    for entry in deliveries.wait(JAVA.len()) {
        let (key, hash) = JAVA[usize::try_from(entry.token).unwrap()];
        assert_eq!(entry.result.unwrap().0, (hash & 0x7fff_ffff) % 17, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_makes_senders_wait_and_loses_nothing() {
    let Some(broker) = broker().await else { return };
    const RECORDS: u64 = 20_000;
    let topic = broker.topic("full", 1).await;
    let config = broker.config(Role::Producer).set("librdkafka.queue.buffering.max.messages", 100);
    let (producer, deliveries) = broker.producer_with(&config);
    for token in 0..RECORDS {
        producer.send(&record(&topic, None, Some("x")), token).unwrap();
    }
    assert!(producer.queue_full_count() > 0);
    let reported = deliveries.wait(usize::try_from(RECORDS).unwrap());
    assert!(reported.iter().map(|entry| entry.token).eq(0..RECORDS));
    assert!(reported.iter().map(|entry| entry.result.clone().unwrap().1).eq(0..20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_large_is_refused_as_data() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("large", 1).await;
    let (producer, _) = broker.producer();
    let large = "x".repeat(2_000_000);
    let error = producer.send(&record(&topic, None, Some(&large)), 0).unwrap_err();
    assert_eq!(error.kind(), tributary_api::ErrorKind::Data);
    assert_eq!(error.class(), "org.apache.kafka.common.errors.RecordTooLargeException");
}
