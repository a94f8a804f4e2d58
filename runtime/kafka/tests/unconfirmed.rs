//! Records that librdkafka considers written although no broker has returned their offset, with librdkafka's mock
//! broker. That a real one causes this too is shown in the tier of real servers.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tributary_api::{ErrorKind, Props};
use tributary_kafka::{
    ClientConfig, Consumer, Delivery, DeliveryListener, Polled, Position, Producer, ProducerOptions, ProducerRecord,
    RawRecord, Role, TopicPartition, Unconfirmed,
};

const LIMIT: Duration = Duration::from_secs(60);
const REFUSED: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
const REPETITION: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER;

type Broker = MockCluster<'static, DefaultProducerContext>;
type Outcome = (u64, Result<i64, (ErrorKind, String)>);

#[derive(Default)]
struct DeliveryLog(Mutex<Vec<Outcome>>, Condvar);

impl DeliveryListener for DeliveryLog {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let outcome = |delivery: &Delivery<'_>| {
            let result = delivery.result.map(|at| at.offset);
            (delivery.token, result.map_err(|error| (error.kind(), error.class().to_owned())))
        };
        self.0.lock().unwrap().extend(deliveries.iter().map(outcome));
        self.1.notify_all();
    }
}

impl DeliveryLog {
    /// What was reported, by token, once there are so many.
    fn wait(&self, count: usize) -> Vec<Outcome> {
        let outcomes = self.0.lock().unwrap();
        let (outcomes, waited) = self.1.wait_timeout_while(outcomes, LIMIT, |known| known.len() < count).unwrap();
        assert!(!waited.timed_out(), "only {outcomes:?}");
        let mut outcomes = outcomes.clone();
        outcomes.sort_by_key(|(token, _)| *token);
        outcomes
    }
}

struct Rig {
    broker: Broker,
    deliveries: Arc<DeliveryLog>,
    producer: Producer,
}

impl Rig {
    /// A producer that knows its partition already and has several requests under way, each with so many records.
    fn new(batch: usize, extra: &[(&str, &str)], unconfirmed: Unconfirmed) -> Self {
        let broker = Broker::new(1).unwrap();
        broker.create_topic("t", 1, 1).unwrap();
        // Long enough for what is sent together to be under way together on a slow machine. Of a transaction that is one
        // record, and a longer time only makes its many requests slow.
        let in_transactions = extra.iter().any(|(name, _)| *name == "transactional.id");
        let round_trip = Duration::from_millis(if in_transactions { 200 } else { 1_000 });
        broker.broker_round_trip_time(1, round_trip).unwrap();
        let mut config = config(&broker, Role::Producer)
            .set("linger.ms", if batch == 1 { 0 } else { 300 })
            .set_native("batch.num.messages", batch);
        for (name, value) in extra {
            config = config.set(name, value);
        }
        let deliveries = Arc::new(DeliveryLog::default());
        let options = ProducerOptions { unconfirmed, ..ProducerOptions::default() };
        let producer = Producer::with_options(&config, deliveries.clone(), options).unwrap();
        Self { broker, deliveries, producer }
    }

    fn warm(self) -> Self {
        self.send(0);
        self.deliveries.wait(1);
        self
    }

    fn send(&self, token: u64) {
        let value = token.to_string();
        let record = ProducerRecord {
            topic: "t",
            key: Some(b"key"),
            value: Some(value.as_bytes()),
            headers: &[("h", Some(b"1")), ("none", None)],
            timestamp: Some(1_700_000_000_000 + i64::try_from(token).unwrap()),
            ..ProducerRecord::default()
        };
        self.producer.send(&record, token).unwrap();
    }

    fn answer(&self, errors: &[RDKafkaRespErr]) {
        self.broker.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// All records of the topic.
    fn read(&self, count: usize) -> Vec<RawRecord> {
        let config = config(&self.broker, Role::Consumer);
        let mut consumer = Consumer::assign(&config, &[(TopicPartition::new("t", 0), Position::Earliest)]).unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + LIMIT);
        while records.len() < count {
            assert!(Instant::now() < deadline, "only {} of {count} are there", records.len());
            if let Polled::Records(some) = consumer.poll(10_000, Duration::from_millis(200)).unwrap() {
                records.extend(some);
            }
        }
        records
    }
}

fn config(broker: &Broker, role: Role) -> ClientConfig {
    ClientConfig::new(role, &Props::new()).set("bootstrap.servers", broker.bootstrap_servers())
}

fn values(records: &[RawRecord]) -> Vec<u64> {
    let value = |record: &RawRecord| std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap();
    let mut values: Vec<u64> = records.iter().map(value).collect();
    values.sort_unstable();
    values
}

#[test]
fn a_record_whose_batch_failed_while_a_later_one_was_taken_is_sent_again_as_it_was() {
    let rig = Rig::new(1, &[], Unconfirmed::SendAgain).warm();
    rig.answer(&[REFUSED]);
    (1..=3).for_each(|token| rig.send(token));
    let outcomes = rig.deliveries.wait(4);
    let offsets: Vec<_> = outcomes.iter().map(|(token, result)| (*token, *result.as_ref().unwrap())).collect();
    rig.producer.flush(LIMIT).unwrap();
    let records = rig.read(4);
    assert_eq!(values(&records), [0, 1, 2, 3]);
    for (token, offset) in offsets {
        let record = records.iter().find(|record| record.offset == offset).unwrap();
        assert_eq!(record.value.as_deref().unwrap(), token.to_string().as_bytes());
        assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(record.timestamp, Some(1_700_000_000_000 + i64::try_from(token).unwrap()));
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        assert_eq!(headers, [("h", Some(&b"1"[..])), ("none", None)]);
    }
}

/// librdkafka counts the offsets of such a batch from -1001 on, past zero.
#[test]
fn of_a_long_batch_without_an_offset_no_record_counts_as_written() {
    const RECORDS: u64 = 2000;
    let rig = Rig::new(10_000, &[], Unconfirmed::SendAgain).warm();
    rig.answer(&[REPETITION]);
    (1..=RECORDS).for_each(|token| rig.send(token));
    let outcomes = rig.deliveries.wait(usize::try_from(RECORDS).unwrap() + 1);
    assert!(outcomes.iter().all(|(_, result)| result.as_ref().is_ok_and(|offset| *offset >= 0)), "{outcomes:?}");
    assert!(values(&rig.read(outcomes.len())).into_iter().eq(0..=RECORDS));
}

#[test]
fn a_repeated_batch_is_reported_as_failed() {
    let rig = Rig::new(1, &[], Unconfirmed::Fail).warm();
    rig.answer(&[REFUSED]);
    (1..=3).for_each(|token| rig.send(token));
    let outcomes = rig.deliveries.wait(4);
    let class = "org.apache.kafka.common.errors.DuplicateSequenceException".to_owned();
    assert_eq!(outcomes[1], (1, Err((ErrorKind::Retriable, class))));
    assert!(outcomes[2..].iter().all(|(_, result)| result.is_ok()), "{outcomes:?}");
}

#[test]
fn a_record_without_a_delivery_report_fails_after_the_timeout() {
    let rig = Rig::new(1, &[], Unconfirmed::SendAgain).warm();
    rig.answer(&[REPETITION; 4]);
    rig.send(1);
    let outcomes = rig.deliveries.wait(2);
    assert_eq!(outcomes[1].1.as_ref().unwrap_err().0, ErrorKind::Retriable);
    rig.send(2);
    assert!(rig.deliveries.wait(3)[2].1.is_ok());
}

#[test]
fn in_a_transaction_nothing_is_sent_again() {
    let rig = Rig::new(1, &[("transactional.id", "one")], Unconfirmed::SendAgain);
    rig.producer.init_transactions(LIMIT).unwrap();
    rig.producer.begin_transaction().unwrap();
    let rig = rig.warm();
    rig.answer(&[REPETITION]);
    rig.send(1);
    assert!(rig.deliveries.wait(2)[1].1.is_err());
    rig.producer.abort_transaction(LIMIT).unwrap();
}

#[test]
fn without_acknowledgements_a_record_is_written_without_an_offset() {
    let rig = Rig::new(10_000, &[("acks", "0")], Unconfirmed::SendAgain);
    (0..1500).for_each(|token| rig.send(token));
    assert!(rig.deliveries.wait(1500).iter().all(|(_, result)| *result == Ok(-1)));
}
