//! What brokers, pauses and slow transforms do to a processor, and that it goes on by itself with nothing lost or doubled.
//! `TRIBUTARY_TEST_OUTAGE_S` makes the outages longer than CI has time for.

use std::time::{Duration, Instant};

use tributary_tests::Kafka;

use super::broker::Broker;
use super::worker::{Child, InProcess, Setup};
use super::{assert_exactly_once, events};

/// Longer than two transactions may last: no call that waits for the broker outlives it.
const OUTAGE: Duration = Duration::from_secs(25);
const RATE: usize = 1_500;

fn outage() -> Duration {
    let given = std::env::var("TRIBUTARY_TEST_OUTAGE_S").ok().and_then(|seconds| seconds.parse().ok());
    given.map_or(OUTAGE, Duration::from_secs)
}

fn signal(kafka: &Kafka, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &kafka.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Clicks flow, the broker is away for a while, and everything arrives once.
fn survives(stem: &str, away: impl FnOnce(&mut Kafka, Duration)) {
    let Some((broker, mut kafka, _turn)) = Broker::own() else { return };
    let setup = Setup::new(&broker, stem, 3).set("tasks.max", "3");
    let outage = outage();
    let over = outage + Duration::from_secs(15);
    let sent = events(RATE * usize::try_from(over.as_secs()).unwrap(), 600);
    let worker = InProcess::start(&setup);
    let feed = broker.feed(&setup.input, sent.clone(), over);
    setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, true) > 1_000);
    away(&mut kafka, outage);
    let back = Instant::now();
    let before = broker.count(&setup.output, true);
    setup.wait("new outputs", Duration::from_secs(90), || {
        worker.assert_none_failed();
        broker.count(&setup.output, true) > before
    });
    println!("{stem}: new outputs {:?} after the broker was back from {outage:?}", back.elapsed());
    feed.join().unwrap();
    setup.wait("all outputs", Duration::from_secs(120) + outage, || {
        worker.assert_none_failed();
        broker.count(&setup.output, true) >= sent.len()
    });
    assert_exactly_once(&broker.read(&setup.output, true), sent.len());
    worker.stop();
}

#[test]
fn killed_broker_that_restarts_is_survived() {
    survives("broker-killed", |kafka, outage| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(kafka.kill9()).unwrap();
        std::thread::sleep(outage);
        runtime.block_on(kafka.restart()).unwrap();
    });
}

#[test]
fn frozen_broker_is_survived() {
    survives("broker-frozen", |kafka, outage| {
        signal(kafka, "-STOP");
        std::thread::sleep(outage);
        signal(kafka, "-CONT");
    });
}

/// The broker aborts the transaction at hand meanwhile, assigns the partitions to no member, and fences the producer.
#[test]
fn own_pause_longer_than_a_transaction_is_survived() {
    let Some((broker, _kafka, _turn)) = Broker::own() else { return };
    let setup = Setup::new(&broker, "own-pause", 2);
    // Each takes a while, so that a transaction is open nearly always.
    let sent: Vec<_> = (0..6_000).map(|n| (format!("key-{}", n % 60), format!("slow-4-{n}"))).collect();
    let child = Child::start(&setup);
    let feed = broker.feed(&setup.input, sent.clone(), Duration::from_secs(50));
    for pause in [9, 14] {
        let before = broker.count(&setup.output, true);
        setup.wait("outputs", Duration::from_secs(90), || broker.count(&setup.output, true) > before + 50);
        child.signal("-STOP");
        std::thread::sleep(Duration::from_secs(pause));
        child.signal("-CONT");
    }
    feed.join().unwrap();
    setup.wait("all outputs", Duration::from_secs(120), || broker.count(&setup.output, true) >= sent.len());
    assert_exactly_once(&broker.read(&setup.output, true), sent.len());
    assert!(!setup.has_logged("task failed"));
    assert!(!setup.has_logged("another worker runs this task"), "there is none");
    drop(child);
}

/// Alone, each batch would outlast its transaction: it is committed in parts. One record does outlast it.
#[test]
fn batch_slower_than_its_transaction_is_committed_in_parts() {
    let Some((broker, _kafka, _turn)) = Broker::own() else { return };
    let setup = Setup::new(&broker, "slow", 1);
    let mut sent: Vec<_> = (0..80).map(|n| (format!("key-{}", n % 4), format!("slow-200-{n}"))).collect();
    sent[40].1 = "slow-8000-40".to_owned();
    broker.send(&setup.input, &sent);
    let worker = InProcess::start(&setup);
    setup.wait("all outputs", Duration::from_secs(180), || {
        worker.assert_none_failed();
        broker.count(&setup.output, true) >= sent.len()
    });
    assert_exactly_once(&broker.read(&setup.output, true), sent.len());
    worker.stop();
}
