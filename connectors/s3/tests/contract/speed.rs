//! Measurements: `cargo test --release -p tributary-s3 --test contract -- --ignored --nocapture speed`.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use tributary_api::{Record, Value};

use crate::support::{BUCKET, Task, TestBucket, record};

const RECORDS: i64 = 1_000_000;
const BATCH: i64 = 2_000;

/// The endpoint has another thread, so that only the task's processor time counts.
#[test]
#[ignore = "a measurement"]
fn records_for_each_second_of_cpu() {
    let endpoint = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bucket = endpoint.block_on(TestBucket::new());
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (what, value) in [("map", click as fn(i64) -> Value), ("text", |n| Value::string(format!("{}", click(n))))] {
        for compression in ["none", "gzip"] {
            let more = [("flush.size", "100000"), ("s3.compression.type", compression), ("topics.dir", what)];
            let props = bucket.props(&more);
            let name = format!("{what}, {compression}");
            let (wall, cpu) = own.block_on(async {
                let mut task = Task::start(&props).await;
                let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
                for first in (0..RECORDS).step_by(usize::try_from(BATCH).unwrap()) {
                    let batch: Vec<Record> = (first..first + BATCH).map(|n| record(n, value(n))).collect();
                    let (wall_before, cpu_before) = (Instant::now(), cpu_time());
                    task.task.put(&batch).await.unwrap();
                    wall += wall_before.elapsed();
                    cpu += cpu_time() - cpu_before;
                }
                assert_eq!(task.safe(RECORDS).await, Some(RECORDS));
                (wall, cpu)
            });
            let rate = |time: Duration| RECORDS as f64 / time.as_secs_f64() / 1e6;
            println!("{name}: {:.2} M records/s, {:.2} M records/CPU-s", rate(wall), rate(cpu));
        }
    }
    let objects = endpoint.block_on(bucket.keys(BUCKET));
    assert_eq!(objects.len(), 4 * 10);
}

fn click(n: i64) -> Value {
    Value::map([
        ("event_id", Value::string(format!("01J{n:023}"))),
        ("type", Value::string("product_view")),
        ("product_id", Value::string("armchair")),
        ("engaged_ms", Value::Int64(n % 60_000)),
        ("session", Value::string("4d0e6f3a9c1b")),
        ("at", Value::Int64(1_700_000_000_000 + n)),
    ])
}

/// Processor time of this thread: the first number of its schedstat, in nanoseconds.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}
