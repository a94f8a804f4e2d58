//! The broker that tests run on, and what they put there and find there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tributary_api::{Offsets, Props, TopicPartition};
use tributary_kafka::{
    Admin, ClientConfig, Consumer, Created, Delivery, DeliveryListener, NewTopic, Polled, Position, Producer,
    ProducerRecord, Role,
};
use tributary_tests::{Kafka, Tier, require, unique};

/// What a broker of a test's own is started with: it looks for transactions that are too old every second.
const QUICK: [(&str, &str); 1] = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000")];

const ANSWER: Duration = Duration::from_secs(90);

pub(crate) struct Broker {
    pub(crate) bootstrap: String,
}

struct PanicOnFailure;

impl DeliveryListener for PanicOnFailure {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        for delivery in deliveries {
            delivery.result.as_ref().unwrap();
        }
    }
}

impl Broker {
    /// None, after the skip is recorded, when this machine can run none.
    pub(crate) fn find() -> Option<Self> {
        if !require(Tier::RealKafka).unwrap() {
            return None;
        }
        let kafka = tokio::runtime::Runtime::new().unwrap().block_on(Kafka::shared());
        Some(Self { bootstrap: kafka.unwrap().bootstrap() })
    }

    /// One that only this test has, to be frozen and killed. There is one at a time: they are large.
    pub(crate) fn own() -> Option<(Self, Kafka, MutexGuard<'static, ()>)> {
        static TURN: Mutex<()> = Mutex::new(());
        if !require(Tier::RealKafka).unwrap() {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let kafka = tokio::runtime::Runtime::new().unwrap().block_on(Kafka::start_with(&QUICK)).unwrap();
        Some((Self { bootstrap: kafka.bootstrap() }, kafka, turn))
    }

    fn client(&self, role: Role) -> ClientConfig {
        ClientConfig::new(role, &Props::from([("bootstrap.servers".to_owned(), self.bootstrap.clone())]))
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) {
        let admin = Admin::new(&self.client(Role::Admin)).unwrap();
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let new = NewTopic { name: topic.to_owned(), partitions, replication: 1, config };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (_, created) in runtime.block_on(admin.create_topics(vec![new])).unwrap() {
            assert_eq!(created.unwrap(), Created::New);
        }
        self.wait_for_topic(topic, true);
    }

    pub(crate) fn delete(&self, topic: &str) {
        let admin = Admin::new(&self.client(Role::Admin)).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(admin.delete_topics(&[topic.to_owned()])).unwrap();
        self.wait_for_topic(topic, false);
    }

    /// The controller answers before the broker has the new state: until then the broker takes records for the deleted topic.
    fn wait_for_topic(&self, topic: &str, exists: bool) {
        let deadline = Instant::now() + ANSWER;
        while self.partitions(topic).is_empty() == exists {
            assert!(Instant::now() < deadline, "whether there is a topic {topic}: not yet {exists}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn producer(&self) -> Producer {
        // Whatever becomes of the broker, all that is sent arrives.
        let config = self.client(Role::Producer).set("delivery.timeout.ms", i32::MAX).set("max.block.ms", i32::MAX);
        Producer::new(&config, Arc::new(PanicOnFailure)).unwrap()
    }

    pub(crate) fn send(&self, topic: &str, records: &[(String, String)]) {
        let producer = self.producer();
        records.iter().for_each(|record| send(&producer, topic, record));
        producer.flush(ANSWER).unwrap();
    }

    /// Sends records evenly over a time, on a thread of its own.
    pub(crate) fn feed(&self, topic: &str, records: Vec<(String, String)>, over: Duration) -> JoinHandle<()> {
        let (producer, topic) = (self.producer(), topic.to_owned());
        std::thread::spawn(move || {
            let step = over / u32::try_from(records.len()).unwrap();
            let begun = Instant::now();
            for (n, record) in records.iter().enumerate() {
                let due = step * u32::try_from(n).unwrap();
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
                send(&producer, &topic, record);
            }
            producer.flush(Duration::from_secs(600)).unwrap();
        })
    }

    fn partitions(&self, topic: &str) -> Vec<TopicPartition> {
        let admin = Admin::new(&self.client(Role::Admin)).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let found = retry(|| runtime.block_on(admin.topics(&[topic.to_owned()])));
        let count = found[0].partitions.unwrap_or(0);
        (0..count).map(|partition| TopicPartition::new(topic, partition)).collect()
    }

    pub(crate) fn count(&self, topic: &str, committed: bool) -> usize {
        self.read(topic, committed).len()
    }

    /// All that there is now, as committed readers see it or as it is.
    pub(crate) fn read(&self, topic: &str, committed: bool) -> Vec<(String, String)> {
        let partitions = self.partitions(topic);
        if partitions.is_empty() {
            return Vec::new();
        }
        let level = if committed { "read_committed" } else { "read_uncommitted" };
        let config = self
            .client(Role::Consumer)
            .set("isolation.level", level)
            .set("group.id", unique("reader"))
            .set_native("enable.partition.eof", true);
        let from: Vec<_> = partitions.iter().map(|at| (at.clone(), Position::Earliest)).collect();
        let mut consumer = Consumer::assign(&config, &from).unwrap();
        let mut missing: Offsets = retry(|| consumer.end_offsets(&partitions, committed, ANSWER));
        missing.retain(|_, end| *end > 0);
        let mut found = Vec::new();
        let deadline = Instant::now() + ANSWER;
        while !missing.is_empty() {
            assert!(Instant::now() < deadline, "cannot read {topic} to its end: {missing:?}");
            let mut reached: HashMap<TopicPartition, i64> = HashMap::new();
            let polled = consumer.poll(10_000, Duration::from_millis(100));
            if let Err(error) = &polled {
                assert!(error.is_retriable(), "{error}");
            }
            if let Ok(Polled::Records(records)) = polled {
                for record in records {
                    reached.insert(TopicPartition::new(record.topic, record.partition), record.offset + 1);
                    let text =
                        |bytes: Option<bytes::Bytes>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
                    found.push((text(record.key), text(record.value)));
                }
            }
            reached.extend(consumer.take_ends());
            missing.retain(|at, end| reached.get(at).is_none_or(|next| next < end));
        }
        consumer.close();
        found
    }

    /// Sends at a rate and measures, for each event, from the time it was meant to be sent to a committed reader.
    pub(crate) fn latencies(&self, input: &str, output: &str, rate: u32, time: Duration) -> Vec<u64> {
        let count = rate * u32::try_from(time.as_secs()).unwrap();
        let partitions = self.partitions(output);
        let config =
            self.client(Role::Consumer).set("isolation.level", "read_committed").set("group.id", unique("reader"));
        let from: Vec<_> = partitions.iter().map(|at| (at.clone(), Position::Latest)).collect();
        let mut consumer = Consumer::assign(&config, &from).unwrap();
        let _ = consumer.poll(1, Duration::from_secs(1)).unwrap();
        let (producer, input) = (
            Producer::new(&self.client(Role::Producer).set("linger.ms", 0), Arc::new(PanicOnFailure)).unwrap(),
            input.to_owned(),
        );
        let begun = Instant::now();
        let sender = std::thread::spawn(move || {
            for n in 0..count {
                let due = Duration::from_secs(1) / rate * n;
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
                let value = format!("at-{}", due.as_micros());
                send(&producer, &input, &(format!("key-{}", n % 100), value));
            }
            producer.flush(ANSWER).unwrap();
        });
        let mut micros = Vec::new();
        let deadline = begun + time + ANSWER;
        while micros.len() < count as usize && Instant::now() < deadline {
            if let Polled::Records(records) = consumer.poll(1_000, Duration::from_millis(100)).unwrap() {
                let now = begun.elapsed().as_micros();
                for record in records {
                    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    let due: u128 = value.strip_prefix("at-").unwrap().split(' ').next().unwrap().parse().unwrap();
                    micros.push(u64::try_from(now - due).unwrap());
                }
            }
        }
        sender.join().unwrap();
        micros
    }
}

/// A broker that has just come back does not answer at once.
fn retry<T>(mut ask: impl FnMut() -> tributary_api::Result<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match ask() {
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            answer => return answer.unwrap(),
        }
    }
}

fn send(producer: &Producer, topic: &str, (key, value): &(String, String)) {
    let record =
        ProducerRecord { topic, key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..ProducerRecord::default() };
    producer.send(&record, 0).unwrap();
}
