use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tributary_api::Props;
use tributary_kafka::{
    Admin, ClientConfig, Consumer, Delivery, DeliveryListener, NewTopic, Polled, Position, Producer, ProducerRecord,
    RawRecord, Role, TopicPartition,
};
pub(crate) use tributary_tests::unique;
use tributary_tests::{Kafka, Tier, require};

pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(120);

/// The broker to test against.
pub(crate) struct Broker {
    bootstrap: String,
}

/// None, after the skip is recorded, when this machine can run none.
pub(crate) async fn broker() -> Option<Broker> {
    if !require(Tier::RealKafka).unwrap() {
        return None;
    }
    Some(Broker { bootstrap: Kafka::shared().await.unwrap().bootstrap() })
}

/// One that a test may stop and kill.
pub(crate) async fn own_broker() -> Option<(Broker, Kafka)> {
    if !require(Tier::RealKafka).unwrap() {
        return None;
    }
    let kafka = Kafka::start().await.unwrap();
    Some((Broker { bootstrap: kafka.bootstrap() }, kafka))
}

impl Broker {
    pub(crate) fn config(&self, role: Role) -> ClientConfig {
        ClientConfig::new(role, &Props::new()).set("bootstrap.servers", &self.bootstrap)
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.config(Role::Admin)).unwrap()
    }

    /// A new topic, ready to be written.
    pub(crate) async fn topic(&self, name: &str, partitions: i32) -> String {
        let name = unique(name);
        let topic = NewTopic { name: name.clone(), partitions, replication: 1, config: Props::new() };
        for (_, created) in self.admin().create_topics(vec![topic]).await.unwrap() {
            created.unwrap();
        }
        name
    }

    pub(crate) fn producer(&self) -> (Producer, Arc<DeliveryLog>) {
        self.producer_with(&self.config(Role::Producer))
    }

    pub(crate) fn producer_with(&self, config: &ClientConfig) -> (Producer, Arc<DeliveryLog>) {
        let deliveries = Arc::new(DeliveryLog::default());
        (Producer::new(config, deliveries.clone()).unwrap(), deliveries)
    }

    pub(crate) fn reader(&self, topic: &str, partitions: i32, isolation: &str) -> Consumer {
        let from_start: Vec<_> =
            (0..partitions).map(|partition| (TopicPartition::new(topic, partition), Position::Earliest)).collect();
        let config = self.config(Role::Consumer).set("isolation.level", isolation);
        Consumer::assign(&config, &from_start).unwrap()
    }

    /// The values of a topic with one partition, up to a count, as text.
    pub(crate) fn values(&self, topic: &str, count: usize, isolation: &str) -> Vec<String> {
        let mut reader = self.reader(topic, 1, isolation);
        texts(&read(&mut reader, count))
    }
}

pub(crate) fn texts(records: &[RawRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into()).collect()
}

/// Reads at least so many records.
pub(crate) fn read(consumer: &mut Consumer, count: usize) -> Vec<RawRecord> {
    let deadline = Instant::now() + TEST_TIMEOUT;
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} records", records.len());
        if let Polled::Records(some) = consumer.poll(1000, Duration::from_millis(500)).unwrap() {
            records.extend(some);
        }
    }
    records
}

/// A record with a key and a value, or without.
pub(crate) fn record<'a>(topic: &'a str, key: Option<&'a str>, value: Option<&'a str>) -> ProducerRecord<'a> {
    ProducerRecord { topic, key: key.map(str::as_bytes), value: value.map(str::as_bytes), ..ProducerRecord::default() }
}

/// Keeps what was reported.
#[derive(Default)]
pub(crate) struct DeliveryLog {
    entries: Mutex<Vec<Entry>>,
    changed: Condvar,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) token: u64,
    pub(crate) result: Result<(i32, i64), String>,
}

impl DeliveryListener for DeliveryLog {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let entry = |delivery: &Delivery<'_>| Entry {
            token: delivery.token,
            result: delivery.result.map(|at| (at.partition, at.offset)).map_err(ToString::to_string),
        };
        self.entries.lock().unwrap().extend(deliveries.iter().map(entry));
        self.changed.notify_all();
    }
}

impl DeliveryLog {
    /// What was reported, as soon as there are so many.
    pub(crate) fn wait(&self, count: usize) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        let short = |entries: &mut Vec<Entry>| entries.len() < count;
        let (entries, waited) = self.changed.wait_timeout_while(entries, TEST_TIMEOUT, short).unwrap();
        assert!(!waited.timed_out(), "only {} of {count} reported", entries.len());
        entries.clone()
    }
}
