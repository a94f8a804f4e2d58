//! One record that cannot be written costs one record.

use std::collections::HashSet;
use std::time::Duration;

use super::broker::Broker;
use super::worker::{InProcess, Setup};
use super::{assert_exactly_once, events};

const WAIT: Duration = Duration::from_secs(120);

/// Tolerates bad records and keeps them in a queue.
fn tolerant(broker: &Broker, stem: &str, partitions: i32) -> (Setup, String) {
    let setup = Setup::new(broker, stem, partitions);
    let letters = format!("{}-letters", setup.input);
    let setup = setup
        .set("errors.tolerance", "all")
        .set("errors.deadletterqueue.topic.name", &letters)
        .set("errors.deadletterqueue.topic.replication.factor", "1")
        .set("errors.deadletterqueue.context.headers.enable", "true");
    (setup, letters)
}

fn large(length: usize) -> String {
    format!("large-{}", "x".repeat(length))
}

#[test]
fn record_whose_output_state_or_dead_letter_is_too_long_is_skipped_alone() {
    let Some(broker) = Broker::find() else { return };
    let (setup, letters) = tolerant(&broker, "too-long", 1);
    let setup = setup.set("producer.override.max.request.size", "1000000");
    let mut sent = events(200, 20);
    // Its output is longer than what the producer takes: it is the input with a count.
    sent.insert(30, ("key-0".to_owned(), large(999_952)));
    // Three of 300 KB are in the state of one key, four do not fit the changelog.
    for n in 0..4 {
        sent.insert(50 + 20 * n, ("heavy".to_owned(), format!("{n}-{}", "x".repeat(300_000))));
    }
    // Its letter is longer than itself by the headers.
    sent.insert(150, ("key-1".to_owned(), format!("bad-{}", "x".repeat(999_900))));
    broker.send(&setup.input, &sent);
    let worker = InProcess::start(&setup);
    setup.wait("all outputs", WAIT, || {
        worker.assert_none_failed();
        broker.count(&setup.output, true) >= 203
    });
    assert_exactly_once(&broker.read(&setup.output, true), 203);
    setup.wait("all letters", WAIT, || broker.count(&letters, true) >= 3);
    let lengths: HashSet<usize> = broker.read(&letters, true).iter().map(|(_, value)| value.len()).collect();
    assert_eq!(lengths, HashSet::from([0, 300_002]), "two letters without their values, one with");
    worker.stop();
}

/// The producer takes them, the topics do not: the broker says so only when the transaction is under way.
#[test]
fn record_that_the_broker_refuses_is_found_and_skipped_alone() {
    let Some(broker) = Broker::find() else { return };
    let (setup, letters) = tolerant(&broker, "refused", 2);
    broker.create(&setup.output, 2, &[("max.message.bytes", "30000")]);
    broker.create(&setup.changelog(), 2, &[("cleanup.policy", "compact"), ("max.message.bytes", "60000")]);
    broker.create(&letters, 1, &[("max.message.bytes", "20000")]);
    let mut sent = events(2_000, 100);
    let bad = [("key-1", 40_000), ("key-2", 50_000), ("key-3", 45_000)];
    for (place, (key, length)) in bad.into_iter().enumerate() {
        sent.insert(300 + 500 * place, (key.to_owned(), large(length)));
    }
    broker.send(&setup.input, &sent);
    let worker = InProcess::start(&setup);
    setup.wait("all outputs", WAIT, || {
        worker.assert_none_failed();
        broker.count(&setup.output, true) >= 2_000
    });
    assert_exactly_once(&broker.read(&setup.output, true), 2_000);
    setup.wait("all letters", WAIT, || broker.count(&letters, true) >= 3);
    assert!(broker.read(&letters, true).iter().all(|(_, value)| value.is_empty()), "letters without their values");
    worker.stop();
}
