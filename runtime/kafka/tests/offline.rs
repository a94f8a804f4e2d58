//! Behaviour without a broker.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tributary_api::{ErrorKind, Props};
use tributary_kafka::{
    Admin, ClientConfig, Consumer, Delivery, DeliveryListener, Polled, Position, Producer, ProducerOptions,
    ProducerRecord, Role, TopicPartition,
};

/// A port without a listener.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn config(role: Role) -> ClientConfig {
    ClientConfig::new(role, &Props::new()).set("bootstrap.servers", closed_port())
}

#[derive(Default)]
struct Tokens(Mutex<Vec<(u64, bool)>>);

impl DeliveryListener for Tokens {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        self.0.lock().unwrap().extend(deliveries.iter().map(|delivery| (delivery.token, delivery.result.is_ok())));
    }
}

const RECORD: ProducerRecord<'static> =
    ProducerRecord { topic: "t", partition: None, key: None, value: Some(b"v"), headers: &[], timestamp: None };

fn full_producer(tokens: &Arc<Tokens>, max_block: &str, stop: CancellationToken) -> Producer {
    let config =
        config(Role::Producer).set("librdkafka.queue.buffering.max.messages", 3).set("max.block.ms", max_block);
    let options = ProducerOptions { stop, ..ProducerOptions::default() };
    let producer = Producer::with_options(&config, tokens.clone(), options).unwrap();
    for token in 0..3 {
        producer.send(&RECORD, token).unwrap();
    }
    producer
}

#[test]
fn a_full_queue_blocks_no_longer_than_max_block_ms() {
    let tokens = Arc::new(Tokens::default());
    let producer = full_producer(&tokens, "200", CancellationToken::new());
    assert!(!producer.try_send(&RECORD, 3).unwrap());
    let begun = Instant::now();
    let error = producer.send(&RECORD, 3).unwrap_err();
    // Below the default of 60 s.
    assert!((200..40_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(error.is_retriable());
    assert_eq!(error.class(), "org.apache.kafka.common.errors.TimeoutException");
    assert_eq!(producer.in_flight(), 3);
}

#[test]
fn a_stop_ends_the_wait_for_room() {
    let tokens = Arc::new(Tokens::default());
    let stop = CancellationToken::new();
    let producer = full_producer(&tokens, "9223372036854775807", stop.clone());
    let error = thread::scope(|scope| {
        let sender = scope.spawn(|| producer.send(&RECORD, 3).unwrap_err());
        while producer.queue_full_count() == 0 {
            thread::yield_now();
        }
        stop.cancel();
        sender.join().unwrap()
    });
    assert!(error.to_string().contains("stopping"), "{error}");
}

#[test]
fn room_made_ends_the_wait() {
    let tokens = Arc::new(Tokens::default());
    let producer = full_producer(&tokens, "9223372036854775807", CancellationToken::new());
    thread::scope(|scope| {
        let sender = scope.spawn(|| producer.send(&RECORD, 3));
        while producer.queue_full_count() == 0 {
            thread::yield_now();
        }
        producer.purge();
        sender.join().unwrap().unwrap();
    });
    // The wait ends with the first record that is reported, the others follow.
    let deadline = Instant::now() + Duration::from_secs(30);
    while producer.in_flight() > 1 {
        assert!(Instant::now() < deadline, "purged records are still in flight");
        thread::yield_now();
    }
}

#[test]
fn every_record_is_reported_once_also_after_a_timeout() {
    let tokens = Arc::new(Tokens::default());
    drop(full_producer(&tokens, "0", CancellationToken::new()));
    let mut results = tokens.0.lock().unwrap().clone();
    results.sort_unstable();
    assert_eq!(results, [(0, false), (1, false), (2, false)]);
}

#[test]
fn a_flush_is_bounded() {
    let producer = full_producer(&Arc::new(Tokens::default()), "0", CancellationToken::new());
    assert!(producer.flush(Duration::from_millis(100)).unwrap_err().is_retriable());
}

#[test]
fn a_waker_ends_the_wait_for_records() {
    let mut consumer =
        Consumer::assign(&config(Role::Consumer), &[(TopicPartition::new("t", 0), Position::Earliest)]).unwrap();
    let waker = consumer.waker();
    let begun = Instant::now();
    thread::scope(|scope| {
        let poll = scope.spawn(|| consumer.poll(10, Duration::from_secs(60)));
        waker.wake();
        assert!(matches!(poll.join().unwrap(), Ok(Polled::Idle)));
    });
    assert!(begun.elapsed() < Duration::from_secs(30));
    consumer.close();
}

#[test]
fn a_subscription_needs_a_group() {
    for group in [None, Some(" ")] {
        let config = group.iter().fold(config(Role::Consumer), |config, group| config.set("group.id", group));
        let error = Consumer::subscribe(&config, &["t".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("group.id is missing"));
        // Partitions are read without one, and librdkafka's demand for a name is met.
        Consumer::assign(&config, &[(TopicPartition::new("t", 0), Position::Earliest)]).unwrap().close();
    }
}

#[tokio::test]
async fn a_request_without_a_broker_times_out() {
    let admin = Admin::new(&config(Role::Admin).set("default.api.timeout.ms", 300)).unwrap();
    let begun = Instant::now();
    let error = admin.list_topics().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    let offsets = admin.group_offsets("g").await.unwrap_err();
    assert_eq!(offsets.kind(), ErrorKind::Retriable);
    // Below the default of 60 s.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}
