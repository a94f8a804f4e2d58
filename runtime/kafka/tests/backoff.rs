//! How often brokers that are away are tried. A program of its own: it counts the attempts of all clients of the process.
#![allow(clippy::unwrap_used)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tributary_api::Props;
use tributary_kafka::{ClientConfig, Consumer, Polled, Role};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A member that has lost its coordinator asks for a connection with each attempt that fails: librdkafka alone would make
/// one every 12 ms.
#[test]
fn a_member_of_a_group_tries_brokers_that_are_away_less_and_less_often() {
    let broker = MockCluster::new(1).unwrap();
    broker.create_topic("t", 1, 1).unwrap();
    let config = ClientConfig::new(Role::Consumer, &Props::new())
        .set("bootstrap.servers", broker.bootstrap_servers())
        .set("group.id", "g")
        .set("reconnect.backoff.ms", 20)
        .set("reconnect.backoff.max.ms", 500)
        .set("librdkafka.debug", "broker");
    let mut consumer = Consumer::subscribe(&config, &["t".to_owned()]).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !matches!(consumer.poll(1, Duration::from_millis(200)).unwrap(), Polled::Assigned(_)) {
        assert!(Instant::now() < deadline, "no partition is assigned");
    }
    drop(broker);
    let attempts = Attempts::default();
    tracing::subscriber::set_global_default(CountAttempts(attempts.clone())).unwrap();
    let begun = Instant::now();
    while attempts.0.load(Ordering::SeqCst) < 40 {
        assert!(begun.elapsed() < TEST_TIMEOUT, "the brokers are not tried");
        thread::sleep(Duration::from_millis(5));
    }
    // Three connections (bootstrap, the partition's leader, the coordinator): each two attempts at once, then after 20, 40,
    // 80, 160, 320 and every 500 ms.
    let elapsed = begun.elapsed();
    assert!(elapsed >= Duration::from_secs(2), "40 attempts took {elapsed:?}");
}

/// Attempts to connect, as librdkafka logs them.
#[derive(Clone, Default)]
struct Attempts(Arc<AtomicUsize>);

struct CountAttempts(Attempts);

impl Subscriber for CountAttempts {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tributary_librdkafka")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.0.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Attempts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" && format!("{value:?}").contains(": Connecting to ") {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
