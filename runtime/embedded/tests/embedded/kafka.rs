//! Helpers over librdkafka. Every wait ends at a deadline with a panic.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tributary_embedded::{Broker, BrokerOptions, BrokerStorage};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn start(storage: BrokerStorage) -> Broker {
    Broker::start(BrokerOptions { storage, preferred_port: 0, cluster_id: "test".into() }).await.unwrap()
}

pub(crate) async fn start_in(folder: &Path) -> Broker {
    start(BrokerStorage::Directory(folder.to_path_buf())).await
}

pub(crate) fn client(broker: &Broker, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

pub(crate) fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    client(broker, &[]).create().unwrap()
}

pub(crate) async fn create_topic(broker: &Broker, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (name, value) in settings {
        topic = topic.set(name, value);
    }
    let results = admin(broker).create_topics([&topic], &AdminOptions::new()).await.unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
}

/// The partition and offset of each acknowledged record, in the order of the acknowledgements, or its error.
pub(crate) type Reports = Arc<Mutex<Vec<Result<(i32, i64), KafkaError>>>>;

#[derive(Clone, Default)]
pub(crate) struct Deliveries(pub(crate) Reports);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let report = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap().push(report);
    }
}

pub(crate) struct TestProducer {
    pub(crate) inner: BaseProducer<Deliveries>,
    reports: Reports,
}

impl TestProducer {
    pub(crate) fn new(broker: &Broker, settings: &[(&str, &str)]) -> Self {
        let deliveries = Deliveries::default();
        let reports = Arc::clone(&deliveries.0);
        let inner = client(broker, settings).create_with_context(deliveries).unwrap();
        Self { inner, reports }
    }

    pub(crate) fn queue(&self, topic: &str, key: &str, value: &str) {
        let mut record = BaseRecord::to(topic).key(key).payload(value);
        loop {
            match self.inner.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.inner.poll(Duration::from_millis(10));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }

    /// Sends one record and waits for its acknowledgement.
    pub(crate) fn send(&self, topic: &str, key: &str, value: &str) -> Result<(i32, i64), KafkaError> {
        self.queue(topic, key, value);
        self.reports().pop().unwrap()
    }

    /// Waits for one report without the binding's flush, which looks only every 100 ms.
    pub(crate) fn next_report(&self) -> Result<(i32, i64), KafkaError> {
        loop {
            if let Some(report) = self.reports.lock().unwrap().pop() {
                return report;
            }
            self.inner.poll(Duration::from_millis(1));
        }
    }

    /// Waits for all queued records and takes their reports.
    pub(crate) fn reports(&self) -> Vec<Result<(i32, i64), KafkaError>> {
        self.inner.flush(DEADLINE).unwrap();
        std::mem::take(&mut self.reports.lock().unwrap())
    }
}

/// A consumer of one partition from `offset` on, without a group.
pub(crate) fn reader(broker: &Broker, topic: &str, offset: Offset, settings: &[(&str, &str)]) -> BaseConsumer {
    let base = [("group.id", "unused"), ("enable.auto.commit", "false"), ("enable.partition.eof", "false")];
    let consumer: BaseConsumer = client(broker, &[&base[..], settings].concat()).create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, offset).unwrap();
    consumer.assign(&partitions).unwrap();
    consumer
}

/// A member of a group that reads `topic` from the group's offsets or the beginning.
pub(crate) fn member(broker: &Broker, group: &str, topic: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let base = [("group.id", group), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];
    let consumer: BaseConsumer = client(broker, &[&base[..], settings].concat()).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// The next `count` records.
pub(crate) fn read(consumer: &BaseConsumer<DefaultConsumerContext>, count: usize) -> Vec<OwnedMessage> {
    let mut records = Vec::with_capacity(count);
    let end = Instant::now() + DEADLINE;
    while records.len() < count {
        assert!(Instant::now() < end, "{} of {count} records arrived", records.len());
        records.extend(poll(consumer));
    }
    records
}

/// What arrives within `time`.
pub(crate) fn read_for(consumer: &BaseConsumer<DefaultConsumerContext>, time: Duration) -> Vec<OwnedMessage> {
    let end = Instant::now() + time;
    let mut records = Vec::new();
    while Instant::now() < end {
        records.extend(poll(consumer));
    }
    records
}

fn poll<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<OwnedMessage> {
    match consumer.poll(Duration::from_millis(20))? {
        Ok(message) => Some(message.detach()),
        Err(error) => {
            println!("consumer: {error}");
            None
        }
    }
}

pub(crate) fn value(message: &OwnedMessage) -> &str {
    std::str::from_utf8(message.payload().unwrap()).unwrap()
}

pub(crate) fn key(message: &OwnedMessage) -> &str {
    std::str::from_utf8(message.key().unwrap()).unwrap()
}

pub(crate) fn values(messages: &[OwnedMessage]) -> Vec<&str> {
    messages.iter().map(value).collect()
}
