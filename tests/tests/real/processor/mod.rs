//! Processors on a real broker: what holds when workers are killed, frozen and restarted.
//!
//! A worker to be killed is this binary again, as the ignored test `child_worker`.

mod broker;
mod counting;
mod healing;
mod offsets;
mod one_record;
mod worker;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use tributary_control::InstanceState;

use self::broker::Broker;
use self::worker::{Child, Setup};

/// Events sent, evenly over keys.
fn events(count: usize, keys: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("key-{}", n % keys), format!("event-{n}"))).collect()
}

/// What the counting transform wrote: the event and its count within its key.
fn counted(records: &[(String, String)]) -> Vec<(String, String, u64)> {
    let parse = |(key, value): &(String, String)| {
        let (event, count) = value.split_once(' ').unwrap();
        (key.clone(), event.to_owned(), count.parse().unwrap())
    };
    records.iter().map(parse).collect()
}

/// Each event once, and the counts of each key are 1, 2, 3 in order: state, outputs and offsets moved together.
fn assert_exactly_once(records: &[(String, String)], sent: usize) {
    let counted = counted(records);
    let events: HashSet<&str> = counted.iter().map(|(_, event, _)| event.as_str()).collect();
    assert_eq!((counted.len(), events.len()), (sent, sent), "outputs and distinct events");
    let mut last: HashMap<&str, u64> = HashMap::new();
    for (key, event, count) in &counted {
        let last = last.entry(key).or_default();
        assert_eq!(*count, *last + 1, "{key} {event}");
        *last = *count;
    }
}

fn killed_worker_is_exactly_once(store: &str) {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "exactly-once", 4).set("state.store", store);
    let sent = events(10_000, 200);
    let feed = broker.feed(&setup.input, sent.clone(), Duration::from_secs(50));
    let mut child = Child::start(&setup);
    for round in 0..5 {
        // Not before it works, so that the kill hits a transaction and not the start. Events flow longer than it takes
        // the group to miss a dead member, five times.
        let before = broker.count(&setup.output, true);
        setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, true) > before);
        std::thread::sleep(Duration::from_millis(137 * (round + 1)));
        child.kill();
        child = Child::start(&setup);
    }
    feed.join().unwrap();
    setup.wait("all outputs", Duration::from_secs(120), || broker.count(&setup.output, true) >= sent.len());
    assert_exactly_once(&broker.read(&setup.output, true), sent.len());
    child.kill();
}

#[test]
fn killed_worker_is_exactly_once_with_redb() {
    killed_worker_is_exactly_once("redb");
}

#[test]
fn killed_worker_is_exactly_once_in_memory() {
    killed_worker_is_exactly_once("memory");
}

#[test]
fn killed_worker_loses_nothing_at_least_once() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "at-least-once", 2).set("processing.guarantee", "at_least_once");
    let sent = events(4_000, 50);
    let feed = broker.feed(&setup.input, sent.clone(), Duration::from_secs(40));
    let mut child = Child::start(&setup);
    for round in 0..2 {
        let before = broker.count(&setup.output, false);
        setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, false) > before);
        std::thread::sleep(Duration::from_millis(211 * (round + 1)));
        child.kill();
        child = Child::start(&setup);
    }
    feed.join().unwrap();
    let distinct = || {
        let counted = counted(&broker.read(&setup.output, false));
        counted.into_iter().map(|(_, event, _)| event).collect::<HashSet<_>>().len()
    };
    setup.wait("all events", Duration::from_secs(90), || distinct() == sent.len());
    // The highest count of each key is the number of its events: nothing was counted twice.
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    for (key, _, count) in counted(&broker.read(&setup.output, false)) {
        let highest = highest.entry(key).or_default();
        *highest = count.max(*highest);
    }
    assert!(highest.values().all(|count| *count == 80), "{highest:?}");
    child.kill();
}

#[test]
fn frozen_worker_that_wakes_up_is_fenced_and_waits_as_a_standby() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "zombie", 2);
    let sent = events(3_000, 30);
    let first = Child::start(&setup);
    let feed = broker.feed(&setup.input, sent.clone(), Duration::from_secs(30));
    setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, true) > 100);
    first.signal("-STOP");
    let before = broker.count(&setup.output, true);
    let second = Child::start(&setup);
    setup.wait("outputs of the second", Duration::from_secs(60), || broker.count(&setup.output, true) > before + 50);
    first.signal("-CONT");
    setup.wait("the first to stand by", Duration::from_secs(60), || setup.has_logged("another worker runs this task"));
    feed.join().unwrap();
    setup.wait("all outputs", Duration::from_secs(90), || broker.count(&setup.output, true) >= sent.len());
    assert_exactly_once(&broker.read(&setup.output, true), sent.len());
    // When the other processor has ended, the waiting one continues.
    drop(second);
    let more: Vec<_> = (3_000..3_100).map(|n| (format!("key-{}", n % 30), format!("event-{n}"))).collect();
    broker.send(&setup.input, &more);
    setup.wait("outputs of the first", Duration::from_secs(60), || broker.count(&setup.output, true) >= 3_100);
    assert_exactly_once(&broker.read(&setup.output, true), 3_100);
    drop(first);
}

#[test]
fn batch_that_cannot_be_written_is_aborted_and_fails_the_task() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "abort", 1);
    broker.create(&setup.output, 1, &[("max.message.bytes", "200")]);
    broker.send(&setup.input, &[("a".to_owned(), "small".to_owned())]);
    let worker = worker::InProcess::start(&setup);
    setup.wait("the first", Duration::from_secs(60), || broker.count(&setup.output, true) == 1);
    let large = format!("large-{}", "x".repeat(400));
    broker.send(&setup.input, &[("a".to_owned(), "good".to_owned()), ("a".to_owned(), large)]);
    let trace = worker.wait_for_state(InstanceState::Failed);
    assert!(trace.contains("Tolerance exceeded") && trace.contains("Message size too large"), "{trace}");
    let visible = broker.read(&setup.output, true);
    assert!(visible.len() <= 2, "{visible:?}");
    let committed = visible.len();
    worker.stop();
    // Whatever was visible is in the state too: nothing more and nothing less.
    let changelog = broker.read(&setup.changelog(), true);
    let counts: Vec<u64> = changelog.iter().filter_map(|(_, value)| value.split(' ').next()?.parse().ok()).collect();
    assert_eq!(counts.iter().max().copied(), Some(committed as u64), "{changelog:?}");
}

#[test]
fn table_is_whole_before_the_first_record() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "table", 2);
    broker.create(&setup.table, 3, &[("cleanup.policy", "compact")]);
    let rows: Vec<_> = (0..5_000).map(|n| (format!("key-{n}"), format!("row-{n}"))).collect();
    broker.send(&setup.table, &rows);
    let sent: Vec<_> = (0..5_000).rev().map(|n| (format!("key-{n}"), format!("lookup-{n}"))).collect();
    broker.send(&setup.input, &sent);
    let worker = worker::InProcess::start(&setup);
    setup.wait("all outputs", Duration::from_secs(60), || broker.count(&setup.output, true) == sent.len());
    for (_, value) in broker.read(&setup.output, true) {
        let n = value.strip_prefix("lookup-").unwrap().split(' ').next().unwrap();
        assert!(value.ends_with(&format!("row-{n}")), "{value}");
    }
    worker.stop();
}

#[test]
fn timer_outlives_its_worker_and_fires_once() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "timer", 1);
    let mut child = Child::start(&setup);
    broker.send(&setup.input, &[("ann".to_owned(), "timer-9000".to_owned())]);
    setup.wait("the record", Duration::from_secs(60), || broker.count(&setup.output, true) == 1);
    let set = Instant::now();
    child.kill();
    child = Child::start(&setup);
    setup.wait("the timer", Duration::from_secs(40), || broker.count(&setup.output, true) >= 2);
    println!("timer of 9 s fired {:?} after it was set, with a kill in between", set.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    let outputs = broker.read(&setup.output, true);
    assert_eq!(outputs.iter().filter(|(_, value)| value.starts_with("fired")).count(), 1, "{outputs:?}");
    child.kill();
}

#[test]
fn paused_and_stopped_processor_continues_at_its_position() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "pause", 2);
    let worker = worker::InProcess::start(&setup);
    broker.send(&setup.input, &events(100, 10));
    setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, true) == 100);
    worker.pause();
    worker.wait_for_state(InstanceState::Paused);
    let more: Vec<_> = (100..200).map(|n| (format!("key-{}", n % 10), format!("event-{n}"))).collect();
    broker.send(&setup.input, &more);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(broker.count(&setup.output, true), 100);
    worker.stop();
    let worker = worker::InProcess::start(&setup);
    worker.resume();
    setup.wait("all outputs", Duration::from_secs(60), || broker.count(&setup.output, true) == 200);
    assert_exactly_once(&broker.read(&setup.output, true), 200);
    worker.stop();
}

/// A measurement: from sending to a committed reader, open loop at 500 events a second.
#[test]
#[ignore = "a measurement: its figures are for the bench report"]
fn latency_at_500_a_second() {
    let Some(broker) = Broker::find() else { return };
    for guarantee in ["exactly_once", "at_least_once"] {
        let setup = Setup::new(&broker, "latency", 2).set("processing.guarantee", guarantee);
        let worker = worker::InProcess::start(&setup);
        broker.send(&setup.input, &events(10, 10));
        setup.wait("outputs", Duration::from_secs(60), || broker.count(&setup.output, true) == 10);
        let mut micros = broker.latencies(&setup.input, &setup.output, 500, Duration::from_secs(20));
        micros.drain(..micros.len() / 4); // warm-up
        micros.sort_unstable();
        let at = |share: usize| micros[micros.len() * share / 1000] as f64 / 1000.0;
        println!(
            "{guarantee}: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, {} events",
            at(500),
            at(990),
            at(999),
            micros.len()
        );
        worker.stop();
    }
}

/// A measurement: a backlog of records drained.
#[test]
#[ignore = "a measurement: its figures are for the bench report"]
fn drain_of_a_backlog() {
    let Some(broker) = Broker::find() else { return };
    for (guarantee, store) in [("exactly_once", "memory"), ("exactly_once", "redb"), ("at_least_once", "memory")] {
        let setup = Setup::new(&broker, "drain", 4).set("processing.guarantee", guarantee).set("state.store", store);
        let sent = events(300_000, 20_000);
        broker.send(&setup.input, &sent);
        let worker = worker::InProcess::start(&setup);
        setup.wait("the first", Duration::from_secs(60), || broker.count(&setup.output, true) > 0);
        let (begun, before) = (Instant::now(), broker.count(&setup.output, true));
        setup.wait("all", Duration::from_secs(120), || broker.count(&setup.output, true) == sent.len());
        let rate = (sent.len() - before) as f64 / begun.elapsed().as_secs_f64();
        println!("{guarantee} {store}: {rate:.0} records/s");
        worker.stop();
    }
}

/// Not a test: the worker that others kill.
#[test]
#[ignore = "run by other tests, as a process of its own"]
fn child_worker() {
    worker::run_child();
}
