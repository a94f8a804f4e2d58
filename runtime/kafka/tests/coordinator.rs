//! Behaviour while a group's coordinator moves, with librdkafka's mock broker, which moves it on request.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tributary_api::Props;
use tributary_kafka::{
    Admin, ClientConfig, Consumer, Delivery, DeliveryListener, Offsets, Polled, Producer, ProducerRecord, Role,
    TopicPartition,
};

const AWAY: [RDKafkaRespErr; 3] = [
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
];
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

fn config(broker: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>, role: Role) -> ClientConfig {
    ClientConfig::new(role, &Props::new()).set("bootstrap.servers", broker.bootstrap_servers())
}

struct Ignored;

impl DeliveryListener for Ignored {
    fn delivered(&self, _: &[Delivery<'_>]) {}
}

#[tokio::test]
async fn group_offsets_are_requested_again() {
    let broker = MockCluster::new(1).unwrap();
    let admin = Admin::new(&config(&broker, Role::Admin)).unwrap();
    broker.request_errors(RDKafkaApiKey::OffsetFetch, &AWAY);
    assert_eq!(admin.group_offsets("g").await.unwrap(), Offsets::new());
}

#[tokio::test]
async fn an_unavailable_coordinator_is_an_error_after_the_timeout() {
    let broker = MockCluster::new(1).unwrap();
    let admin = Admin::new(&config(&broker, Role::Admin).set("default.api.timeout.ms", 500)).unwrap();
    broker.request_errors(RDKafkaApiKey::OffsetFetch, &AWAY.repeat(10));
    let error = admin.group_offsets("g").await.unwrap_err();
    assert!(error.is_retriable(), "{error:?}");
    assert!(error.to_string().contains("cannot read the offsets of group g"), "{error}");
}

#[test]
fn partitions_are_read_all_the_same() {
    let broker = MockCluster::new(1).unwrap();
    broker.create_topic("t", 1, 1).unwrap();
    let producer = Producer::new(&config(&broker, Role::Producer), Arc::new(Ignored)).unwrap();
    producer.send(&ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() }, 0).unwrap();
    producer.flush(TEST_TIMEOUT).unwrap();
    broker.request_errors(RDKafkaApiKey::OffsetFetch, &AWAY);
    let config = config(&broker, Role::Consumer).set("group.id", "g").set("auto.offset.reset", "earliest");
    let mut consumer = Consumer::subscribe(&config, &["t".to_owned()]).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    let records = loop {
        assert!(Instant::now() < deadline, "nothing is read");
        match consumer.poll(10, Duration::from_millis(200)).unwrap() {
            Polled::Assigned(partitions) => {
                consumer.accept(&partitions).unwrap();
            }
            Polled::Records(records) => break records,
            Polled::Revoked { .. } | Polled::Idle => {}
        }
    };
    assert_eq!(consumer.assignment().unwrap(), [TopicPartition::new("t", 0)]);
    assert_eq!(records.len(), 1);
}
