use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tributary_kafka::{Consumer, Offsets, Polled, Position, ProducerRecord, Role, TopicPartition};

use super::support::{Broker, TEST_TIMEOUT, broker, unique};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 5_000;

/// A member of a group that commits when partitions are taken from it.
struct Member {
    consumer: Consumer,
    positions: Offsets,
    seen: Arc<Mutex<BTreeMap<(i32, i64), usize>>>,
    owned: Arc<AtomicUsize>,
}

impl Member {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            match self.consumer.poll(50, Duration::from_millis(100)).unwrap() {
                Polled::Records(records) => {
                    let mut seen = self.seen.lock().unwrap();
                    for record in records {
                        *seen.entry((record.partition, record.offset)).or_default() += 1;
                        self.positions.insert(TopicPartition::new(record.topic, record.partition), record.offset + 1);
                    }
                }
                Polled::Assigned(partitions) => {
                    self.consumer.accept(&partitions).unwrap();
                    self.own();
                }
                Polled::Revoked { partitions, lost } => {
                    assert!(!lost);
                    let mine = |tp: &TopicPartition| partitions.contains(tp);
                    let given_up = self.positions.iter().filter(|(tp, _)| mine(tp));
                    let given_up: Offsets = given_up.map(|(tp, offset)| (tp.clone(), *offset)).collect();
                    self.consumer.commit(&given_up).unwrap();
                    self.positions.retain(|tp, _| !mine(tp));
                    self.consumer.release(&partitions).unwrap();
                    self.own();
                }
                Polled::Idle => {}
            }
        }
        self.consumer.commit(&self.positions).unwrap();
        self.consumer.close();
    }

    fn own(&self) {
        self.owned.store(self.consumer.assignment().unwrap().len(), Ordering::SeqCst);
    }
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Two members share a topic while it is written; one joins late, one leaves early.
async fn no_record_twice(broker: &Broker, assignor: &str) {
    let topic = broker.topic("group", PARTITIONS).await;
    let config = broker
        .config(Role::Consumer)
        .set("group.id", unique("group"))
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", assignor);
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let member = || {
        let owned = Arc::new(AtomicUsize::new(0));
        let consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
        assert!(consumer.group_metadata().unwrap_err().is_retriable(), "no generation before the first assignment");
        (Member { consumer, positions: Offsets::new(), seen: seen.clone(), owned: owned.clone() }, owned)
    };
    let (producer, _ledger) = broker.producer();
    let (stop_first, stop_second) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..RECORDS {
                let partition = Some(i32::try_from(n).unwrap() % PARTITIONS);
                let record = ProducerRecord { topic: &topic, partition, value: Some(b"x"), ..Default::default() };
                producer.send(&record, 0).unwrap();
                if n % 10 == 0 {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            producer.flush(TEST_TIMEOUT).unwrap();
        });
        let (first, first_owns) = member();
        let first = scope.spawn(|| first.run(&stop_first));
        wait("the first member owns all", || first_owns.load(Ordering::SeqCst) == 4);
        let (second, second_owns) = member();
        let second = scope.spawn(|| second.run(&stop_second));
        wait("the members share", || first_owns.load(Ordering::SeqCst) == 2 && second_owns.load(Ordering::SeqCst) == 2);
        stop_first.store(true, Ordering::SeqCst);
        first.join().unwrap();
        wait("the second member owns all", || second_owns.load(Ordering::SeqCst) == 4);
        wait("all records are seen", || seen.lock().unwrap().len() == usize::try_from(RECORDS).unwrap());
        stop_second.store(true, Ordering::SeqCst);
        second.join().unwrap();
    });
    let seen = seen.lock().unwrap();
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "seen more than once: {twice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_hand_partitions_over_one_by_one_without_repeating_a_record() {
    let Some(broker) = broker().await else { return };
    no_record_twice(&broker, "cooperative-sticky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_hand_whole_assignments_over_without_repeating_a_record() {
    let Some(broker) = broker().await else { return };
    no_record_twice(&broker, "org.apache.kafka.clients.consumer.RangeAssignor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_commits_are_reported_later() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("async-commit", 1).await;
    let config = broker.config(Role::Consumer).set("group.id", unique("async"));
    let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        assert!(Instant::now() < deadline);
        if let Polled::Assigned(partitions) = consumer.poll(1, Duration::from_millis(500)).unwrap() {
            consumer.accept(&partitions).unwrap();
            break;
        }
    }
    assert!(consumer.group_metadata().unwrap().generation() >= 1);
    let offsets = Offsets::from([(TopicPartition::new(topic.as_str(), 0), 5)]);
    consumer.commit_async(&offsets).unwrap();
    let results = loop {
        assert!(Instant::now() < deadline);
        let results = consumer.commit_results();
        if !results.is_empty() {
            break results;
        }
        consumer.poll(1, Duration::from_millis(20)).unwrap();
    };
    assert_eq!(results, [Ok(offsets.clone())]);
    let partitions: Vec<_> = offsets.keys().cloned().collect();
    assert_eq!(consumer.committed(&partitions, TEST_TIMEOUT).unwrap(), offsets);
    // It returns when the member has left.
    consumer.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_just_taken_on_can_be_read_from_anywhere() {
    let Some(broker) = broker().await else { return };
    let topic = broker.topic("seek", 1).await;
    let (producer, deliveries) = broker.producer();
    for token in 0..100 {
        producer.send(&ProducerRecord { topic: &topic, value: Some(b"x"), ..Default::default() }, token).unwrap();
    }
    deliveries.wait(100);
    let tp = TopicPartition::new(topic.as_str(), 0);
    for seek in [true, false] {
        let config = broker.config(Role::Consumer).set("group.id", unique("seek"));
        let mut consumer = Consumer::subscribe(&config, std::slice::from_ref(&topic)).unwrap();
        let deadline = Instant::now() + TEST_TIMEOUT;
        let first = loop {
            assert!(Instant::now() < deadline);
            match consumer.poll(10, Duration::from_secs(5)).unwrap() {
                Polled::Assigned(partitions) if seek => {
                    consumer.accept(&partitions).unwrap();
                    consumer.seek(&tp, 42).unwrap();
                }
                Polled::Assigned(_) => consumer.accept_at(&[(tp.clone(), Position::At(42))]).unwrap(),
                Polled::Records(records) => break records[0].offset,
                _ => {}
            }
        };
        assert_eq!(first, 42);
    }
}
