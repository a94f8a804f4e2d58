//! Figures, not tests: `cargo test --release -p tributary-embedded -- --ignored --nocapture --test-threads 1 measure`.

use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use tributary_embedded::{Broker, BrokerStorage};

use crate::kafka::{TestProducer, create_topic, read, reader, start};

const RECORDS: usize = 100_000;
const SIZE: usize = 500;
const SINGLES: usize = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let directory = BrokerStorage::Directory(folder.path().into());

    let idle = resident();
    for what in ["cold", "warm"] {
        let began = Instant::now();
        let broker = start(directory.clone()).await;
        println!("sqlite, {what} start: {:?}, resident memory added: {} KiB", began.elapsed(), resident() - idle);
        let began = Instant::now();
        broker.shutdown().await;
        println!("sqlite, {what} stop: {:?}", began.elapsed());
    }
    for (name, storage) in [("sqlite", directory), ("memory", BrokerStorage::Memory)] {
        let broker = start(storage).await;
        create_topic(&broker, "bulk", 1, &[]).await;
        throughput(name, &broker, "bulk", &[]);
        create_topic(&broker, "idempotent", 1, &[]).await;
        throughput(name, &broker, "idempotent", &[("enable.idempotence", "true")]);
        create_topic(&broker, "single", 1, &[]).await;
        latency(name, &broker);
        idle_cost(name, &broker).await;
        broker.shutdown().await;
    }
}

fn throughput(name: &str, broker: &Broker, topic: &str, settings: &[(&str, &str)]) {
    let producer = TestProducer::new(broker, &[&[("linger.ms", "5")], settings].concat());
    let value = "x".repeat(SIZE);
    let from = end(broker, topic);
    let began = Instant::now();
    for n in 0..RECORDS {
        producer.queue(topic, &n.to_string(), &value);
    }
    assert!(producer.reports().iter().all(Result::is_ok));
    rate(name, &format!("produce {settings:?}"), began);
    let consumer = reader(broker, topic, Offset::Offset(from), &[]);
    let began = Instant::now();
    read(&consumer, RECORDS);
    rate(name, "consume", began);
}

fn rate(name: &str, what: &str, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}, {what}: {RECORDS} x {SIZE} B in {seconds:.2} s, {:.0}/s", RECORDS as f64 / seconds);
}

fn latency(name: &str, broker: &Broker) {
    let producer = TestProducer::new(broker, &[("linger.ms", "0")]);
    for settings in [&[][..], &[("fetch.wait.max.ms", "50")], &[("fetch.queue.backoff.ms", "1")]] {
        let consumer = reader(broker, "single", Offset::Offset(end(broker, "single")), settings);
        producer.send("single", "k", "the consumer is connected when it has this").unwrap();
        read(&consumer, 1);
        let mut acknowledged = Vec::with_capacity(SINGLES);
        let mut received = Vec::with_capacity(SINGLES);
        for _ in 0..SINGLES {
            std::thread::sleep(Duration::from_millis(5));
            let began = Instant::now();
            producer.queue("single", "k", "v");
            producer.next_report().unwrap();
            acknowledged.push(began.elapsed());
            read(&consumer, 1);
            received.push(began.elapsed());
        }
        let flushed = quantiles(acknowledged);
        println!("{name}, consumer {settings:?}: acknowledged {flushed}, at the consumer {}", quantiles(received));
    }
}

/// What 20 waiting consumers cost while nothing happens.
async fn idle_cost(name: &str, broker: &Broker) {
    create_topic(broker, "quiet", 1, &[]).await;
    let consumers: Vec<_> = (0..20).map(|_| reader(broker, "quiet", Offset::End, &[])).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let used = (cpu() - before).as_secs_f64() / 3.0;
    println!("{name}, {} idle consumers: {:.1} % of a core, both sides", consumers.len(), used * 100.0);
}

fn end(broker: &Broker, topic: &str) -> i64 {
    let consumer = reader(broker, topic, Offset::Beginning, &[]);
    consumer.fetch_watermarks(topic, 0, Duration::from_secs(30)).unwrap().1
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {:?} p99 {:?} max {:?}", at(50), at(99), at(100))
}

/// Resident memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of this process so far; the kernel counts in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
