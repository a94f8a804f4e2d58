//! Measurements: `cargo test --release -p tributary-file --test speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, PluginKind, Record, Value};
use tributary_testkit::{FakeSinkHost, FakeSourceHost};

const LINES: usize = 5_000_000;

#[tokio::test]
#[ignore = "a measurement"]
async fn lines_for_each_second_of_cpu() {
    let folder = TempDir::new().unwrap();
    let [input, output] = ["in.txt", "out.txt"].map(|name| folder.path().join(name));
    let line = |n: usize| format!("{n:08} {}\n", "abcdefghij".repeat(9));
    fs::write(&input, (0..LINES).map(line).collect::<String>()).unwrap();
    for batch_size in ["2000", "10000"] {
        let plugin = tributary_file::plugins().remove(0);
        let Factory::Source(factory) = &plugin.factory else { panic!("not a source") };
        let mut task = (factory.task)();
        let props = [("file", input.to_str().unwrap()), ("topic", "t"), ("batch.size", batch_size)];
        let props = props.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        task.start(FakeSourceHost::new().context(&CancellationToken::new()), &props).await.unwrap();
        let (wall, cpu, mut read) = (Instant::now(), cpu_time(), 0);
        while read < LINES {
            read += task.poll().await.unwrap().len();
        }
        report(&format!("source, batches of {batch_size}"), wall.elapsed(), cpu_time() - cpu);
    }

    let plugin = tributary_file::plugins().remove(1);
    assert_eq!(plugin.description.kind, PluginKind::Sink);
    let Factory::Sink(factory) = &plugin.factory else { panic!("not a sink") };
    let mut task = (factory.task)();
    let props = [("file".to_owned(), output.to_str().unwrap().to_owned())].into();
    task.start(FakeSinkHost::new().context(&CancellationToken::new()), &props).await.unwrap();
    let text = line(1);
    let batch: Vec<Record> =
        (0..2000).map(|_| Record::new("t", Datum::schemaless(Value::string(text.trim())))).collect();
    let (wall, cpu) = (Instant::now(), cpu_time());
    for _ in 0..LINES / batch.len() {
        task.put(&batch).await.unwrap();
    }
    report("sink, batches of 2000", wall.elapsed(), cpu_time() - cpu);
}

fn report(what: &str, wall: Duration, cpu: Duration) {
    let rate = |time: Duration| LINES as f64 / time.as_secs_f64() / 1e6;
    println!("{what}: {:.2} M lines/s, {:.2} M lines/CPU-s", rate(wall), rate(cpu));
}

/// CPU time of this process, in ticks of 10 ms: fields 14 and 15 of its stat.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
