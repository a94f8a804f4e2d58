//! Random sequences of faults, checked against the guarantees: every record is invoked at least once, in order within
//! each partition, reported once by a task, and never committed before that.
//!
//! Verified by breaking the sink to detect that an offset is committed when its batch begins, or while it is at work; a
//! record is left out of a batch; the halves of a batch change places; the answer to a single record is not reported,
//! or reported twice; a dead letter, or a report that fails, is not waited for; records that the function has not named
//! are not reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_front::{Event, Fault, Invocation, Outcome, Reply};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::Instant;
use tributary_api::{Error, Offsets, Record, Value};
use tributary_testkit::FakeSinkHost;

use crate::support::{Setup, TEST_TIMEOUT, TOPIC, Task, offsets, partition, plugin, record, record_of};

const PARTITIONS: i32 = 3;
const RECORDS: i64 = 60;
const LARGEST: usize = 1_500;
const CALLS_PER_FAULT: usize = 5;

/// What the function has seen, and what it must not.
#[derive(Default)]
struct Seen {
    /// For each partition, the offsets that were in an event.
    invoked: BTreeMap<i64, BTreeSet<i64>>,
    wrong: Vec<String>,
}

/// Too large for an event: never invoked.
fn is_large(partition: i32, offset: i64) -> bool {
    (offset + i64::from(partition)) % 23 == 7
}

fn make(partition: i32, offset: i64) -> Record {
    match is_large(partition, offset) {
        true => record_of(TOPIC, partition, offset, Value::string("x".repeat(LARGEST))),
        false => record(partition, offset),
    }
}

impl Seen {
    /// An event may begin only after records that were all in an earlier event or given up, and has no gaps.
    fn note(&mut self, event: &Event, given_up: &BTreeSet<(i32, i64)>) {
        let json = event.json();
        let own = json[0]["payload"]["partition"].as_i64().unwrap();
        let number = i32::try_from(own).unwrap();
        let offsets = offsets(event);
        let invoked = self.invoked.entry(own).or_default();
        let missing =
            (0..offsets[0]).find(|offset| !invoked.contains(offset) && !given_up.contains(&(number, *offset)));
        if let Some(missing) = missing {
            self.wrong.push(format!("{own}: {offsets:?} comes before {missing}"));
        }
        let expected: Vec<i64> =
            (offsets[0]..=offsets[offsets.len() - 1]).filter(|offset| !is_large(number, *offset)).collect();
        if offsets != expected {
            self.wrong.push(format!("{own}: {offsets:?} has holes"));
        }
        invoked.extend(offsets);
    }
}

/// One for each task, as one follows another: what is reported outlives a task.
type Hosts = Arc<Mutex<Vec<Arc<FakeSinkHost>>>>;

/// Now and then some records are named as failed, or all fail.
fn decide(seen: Arc<Mutex<Seen>>, hosts: Hosts, seed: u64) -> impl Fn(&Event) -> Option<Reply> + Send + Sync {
    let chance = Mutex::new(SmallRng::seed_from_u64(seed));
    move |event| {
        seen.lock().unwrap().note(event, &places(&hosts, |report| report.given_up));
        let mut chance = chance.lock().unwrap();
        match chance.random_range(0..10) {
            0 => Some(Reply::error("Boom", "bad luck")),
            1 | 2 => {
                let own = &event.json()[0]["payload"]["partition"];
                let named: Vec<_> = offsets(event)
                    .into_iter()
                    .filter(|_| chance.random_bool(0.3))
                    .map(|offset| json!({"itemIdentifier": {"partition": format!("{TOPIC}-{own}"), "offset": offset}}))
                    .collect();
                Some(Reply::json(&json!({"batchItemFailures": named}))).filter(|_| !named.is_empty())
            }
            _ => None,
        }
    }
}

fn some_fault(chance: &mut SmallRng) -> Fault {
    match chance.random_range(0..14) {
        // A rare one: what comes after it is slow.
        0 => Fault::Throttle { retry_after: None },
        1..=3 => Fault::Unavailable,
        4..=6 => Fault::CutOff,
        7 | 8 => Fault::CrashBefore,
        9 | 10 => Fault::CrashAfter,
        11 => Fault::TimeOut,
        _ => Fault::Error { kind: "Odd".into(), message: "as the weather".into(), handled: true },
    }
}

/// The results that a task has reported for a record.
struct Report {
    place: (i32, i64),
    /// It is in the error topic or was handed over as bad; otherwise it is in the topic of answers.
    given_up: bool,
}

/// The places of all tasks' reports of a kind.
fn places(hosts: &Hosts, of: impl Fn(&Report) -> bool) -> BTreeSet<(i32, i64)> {
    let hosts = hosts.lock().unwrap();
    hosts.iter().flat_map(|host| reports(host)).filter(of).map(|report| report.place).collect()
}

fn reports(host: &FakeSinkHost) -> Vec<Report> {
    let handed_over = host.reported().into_iter().map(|(record, _)| {
        let (_, own, offset) = record.consumed_from().unwrap();
        Report { place: (own, offset), given_up: true }
    });
    let written = host.written().into_iter().map(|record| {
        let number = |name: &str| -> i64 {
            let value = record.headers.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.clone());
            String::from_utf8(value.unwrap().to_vec()).unwrap().parse().unwrap()
        };
        let place = (i32::try_from(number("input_record_partition")).unwrap(), number("input_record_offset"));
        Report { place, given_up: record.topic.ends_with("-error") }
    });
    written.chain(handed_over).collect()
}

/// No task reports on a record twice.
fn assert_reported_once(host: &FakeSinkHost, seed: u64) {
    let mut seen = BTreeSet::new();
    for Report { place, .. } in reports(host) {
        assert!(seen.insert(place), "seed {seed}: {place:?} is reported twice by one task");
    }
}

async fn run(seed: u64) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let seen = Arc::<Mutex<Seen>>::default();
    let limit = Duration::from_millis(60);
    let hosts = Hosts::default();
    let decide = decide(Arc::clone(&seen), Arc::clone(&hosts), seed);
    let place = Setup::set_up(decide, |function| function.timeout(limit), |functions| functions).await;
    let behaviour = if chance.random_bool(0.5) { "log" } else { "fail" };
    let (size, retries, items) = (chance.random_range(1..12), chance.random_range(0..3), chance.random_range(0..3));
    let props = place.props(&[
        ("behavior.on.error", behaviour),
        ("aws.lambda.batch.size", &size.to_string()),
        ("aws.lambda.batch.bytes", &(LARGEST - 100).to_string()),
        ("aws.lambda.function.retries", &retries.to_string()),
        ("aws.lambda.batch.item.retries", &items.to_string()),
        ("aws.lambda.bisect.on.function.error", if chance.random_bool(0.5) { "true" } else { "false" }),
        ("aws.lambda.batch.window.ms", if chance.random_bool(0.3) { "5" } else { "0" }),
        ("aws.lambda.concurrency", &chance.random_range(1..4).to_string()),
        ("aws.lambda.retry.backoff.max.ms", "5"),
        ("reporter.bootstrap.servers", "broker:9092"),
    ]);
    let mut committed: BTreeMap<i32, i64> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let mut injected = 0;
    let begun = Instant::now();
    let ended = |committed: &BTreeMap<i32, i64>| committed.values().all(|offset| *offset == RECORDS);
    while !ended(&committed) {
        let host = FakeSinkHost::tolerant();
        hosts.lock().unwrap().push(Arc::clone(&host));
        let mut task = Task::try_start(&plugin(), &props, Arc::clone(&host)).await.unwrap();
        let mut next = committed.clone();
        let dies_after = if chance.random_bool(0.7) { chance.random_range(1..40) } else { usize::MAX };
        let mut steps = 0;
        while !ended(&committed) && steps < dies_after {
            assert!(begun.elapsed() < TEST_TIMEOUT * 3, "seed {seed} does not end: {committed:?}");
            steps += 1;
            // Fewer faults for slow tasks: one for every few calls.
            if place.front.faults().waiting() == 0 && place.front.invocations().len() >= injected * CALLS_PER_FAULT {
                injected += 1;
                place.front.faults().add(some_fault(&mut chance));
            }
            // Now and then the topics of reports are away.
            host.fail_writes(chance.random_bool(0.1).then(|| Error::retriable("the broker is away")));
            let mut batch = Vec::new();
            for (number, next) in &mut next {
                let until = (*next + chance.random_range(0..15)).min(RECORDS);
                batch.extend((*next..until).map(|offset| make(*number, offset)));
                *next = until;
            }
            task.task.put(&batch).await.unwrap();
            tokio::time::sleep(Duration::from_millis(chance.random_range(0..8))).await;
            let consumed: Offsets = next.iter().map(|(number, next)| (partition(*number), *next)).collect();
            let safe = task.task.pre_commit(&consumed).await.unwrap();
            let done = places(&hosts, |_| true);
            for (place, safe) in safe {
                assert!(safe >= committed[&place.partition], "seed {seed}: {place} goes back to {safe}");
                let missing = (0..safe).find(|offset| !done.contains(&(place.partition, *offset)));
                assert_eq!(missing, None, "seed {seed}: {place} is said to be safe to {safe}");
                committed.insert(place.partition, safe);
            }
        }
        // It is not stopped.
        drop(task);
        assert_reported_once(&host, seed);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.wrong, Vec::<String>::new(), "seed {seed}");
    // Also where the function died before it got the event: only the test knows of that.
    let tried: BTreeSet<(i32, i64)> = place.front.invocations().iter().flat_map(runs).collect();
    for number in 0..PARTITIONS {
        let all = (0..RECORDS).filter(|offset| !is_large(number, *offset));
        let never: Vec<i64> = all.filter(|offset| !tried.contains(&(number, *offset))).collect();
        assert!(never.is_empty(), "seed {seed}: never invoked: {never:?}");
    }
    for (number, offset) in places(&hosts, |report| !report.given_up) {
        let seen = seen.invoked[&i64::from(number)].contains(&offset);
        assert!(seen, "seed {seed}: {number}@{offset} is answered, and no function has seen it");
    }
}

/// The records of an attempt that came to a run.
fn runs(attempt: &Invocation) -> Vec<(i32, i64)> {
    if !attempt.outcome.as_ref().is_some_and(Outcome::is_run) {
        return Vec::new();
    }
    let event: serde_json::Value = serde_json::from_slice(&attempt.payload).unwrap();
    let number = |record: &serde_json::Value, name: &str| record["payload"][name].as_i64().unwrap();
    let place = |record| (i32::try_from(number(record, "partition")).unwrap(), number(record, "offset"));
    event.as_array().unwrap().iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantees_hold_under_random_faults() {
    for seed in 0..24 {
        run(seed).await;
    }
}
