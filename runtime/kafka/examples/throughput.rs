//! What this crate costs on top of librdkafka: writes and reads records of 100 bytes through it, and times
//! transactions. `KAFKA_BOOTSTRAP=host:port cargo run --release -p tributary-kafka --example throughput [records]`
#![allow(clippy::print_stdout, reason = "a tool for the command line")]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tributary_api::Props;
use tributary_kafka::{
    Admin, ClientConfig, Consumer, Delivery, DeliveryListener, NewTopic, Polled, Position, Producer, ProducerRecord,
    Role, TopicPartition,
};

const TEST_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Count {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl DeliveryListener for Count {
    fn delivered(&self, deliveries: &[Delivery<'_>]) {
        let failed = deliveries.iter().filter(|delivery| delivery.result.is_err()).count() as u64;
        self.failed.fetch_add(failed, Ordering::Relaxed);
        self.delivered.fetch_add(deliveries.len() as u64 - failed, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bootstrap = std::env::var("KAFKA_BOOTSTRAP")?;
    let records: u64 = std::env::args().nth(1).map_or(Ok(2_000_000), |records| records.parse())?;
    let config = |role| ClientConfig::new(role, &Props::new()).set("bootstrap.servers", &bootstrap);
    let topic = format!("throughput-{}", SystemTime::UNIX_EPOCH.elapsed()?.as_micros());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = Admin::new(&config(Role::Admin))?;
    let new = NewTopic { name: topic.clone(), partitions: 1, replication: 1, config: Props::new() };
    for (_, created) in runtime.block_on(admin.create_topics(vec![new]))? {
        created?;
    }
    for round in 1..=3 {
        produce(&config(Role::Producer), &topic, records, round)?;
    }
    for round in 1..=3 {
        consume(&config(Role::Consumer), &topic, records, round)?;
    }
    transactions(&config(Role::Producer).set("transactional.id", &topic), &topic)?;
    runtime.block_on(admin.delete_topics(&[topic]))?;
    Ok(())
}

fn produce(config: &ClientConfig, topic: &str, records: u64, round: u32) -> Result<(), Box<dyn Error>> {
    let count = Arc::new(Count::default());
    let producer = Producer::new(config, count.clone())?;
    let value = [b'x'; 100];
    let clock = Clock::start();
    for token in 0..records {
        let record = ProducerRecord { topic, value: Some(&value), ..ProducerRecord::default() };
        producer.send(&record, token)?;
    }
    producer.flush(TEST_TIMEOUT)?;
    clock.print(&format!("produce {round}"), records);
    let (delivered, failed) = (count.delivered.load(Ordering::Relaxed), count.failed.load(Ordering::Relaxed));
    println!("  delivered {delivered}, failed {failed}, waits for room {}", producer.queue_full_count());
    Ok(())
}

fn consume(config: &ClientConfig, topic: &str, records: u64, round: u32) -> Result<(), Box<dyn Error>> {
    let mut consumer = Consumer::assign(config, &[(TopicPartition::new(topic, 0), Position::Earliest)])?;
    let clock = Clock::start();
    let (mut seen, mut bytes, mut polls) = (0, 0, 0);
    while seen < records {
        if let Polled::Records(batch) = consumer.poll(1000, TEST_TIMEOUT)? {
            seen += batch.len() as u64;
            bytes += batch.iter().map(|record| record.value.as_ref().map_or(0, |value| value.len())).sum::<usize>();
            polls += 1;
        }
    }
    clock.print(&format!("consume {round}"), seen);
    println!("  {} bytes, {} records a poll", bytes, seen / polls);
    consumer.close();
    Ok(())
}

fn transactions(config: &ClientConfig, topic: &str) -> Result<(), Box<dyn Error>> {
    const TRANSACTIONS: usize = 500;
    let producer = Producer::new(config, Arc::new(Count::default()))?;
    producer.init_transactions(TEST_TIMEOUT)?;
    for (name, gap) in [("back to back", Duration::ZERO), ("one each 10 ms", Duration::from_millis(10))] {
        let clock = Clock::start();
        let mut times = Vec::with_capacity(TRANSACTIONS);
        for _ in 0..TRANSACTIONS {
            let begun = Instant::now();
            producer.begin_transaction()?;
            for token in 0..10 {
                let record = ProducerRecord { topic, value: Some(&[b'x'; 100]), ..ProducerRecord::default() };
                producer.send(&record, token)?;
            }
            producer.commit_transaction(TEST_TIMEOUT)?;
            times.push(begun.elapsed());
            std::thread::sleep(gap.saturating_sub(begun.elapsed()));
        }
        times.sort_unstable();
        let at = |permille: usize| times[(TRANSACTIONS * permille / 1000).min(TRANSACTIONS - 1)];
        println!(
            "transactions of 10 records, {name}: p50 {:?}, p90 {:?}, p99 {:?}, {:.2} ms CPU each",
            at(500),
            at(900),
            at(990),
            clock.cpu().as_secs_f64() * 1000.0 / TRANSACTIONS as f64
        );
    }
    Ok(())
}

/// Wall and CPU time of this process.
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu() }
    }

    fn cpu(&self) -> Duration {
        process_cpu().saturating_sub(self.cpu)
    }

    fn print(&self, what: &str, records: u64) {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), self.cpu().as_secs_f64());
        let rate = |seconds: f64| records as f64 / seconds / 1000.0;
        println!(
            "{what}: {records} records in {wall:.2} s, {cpu:.2} s CPU: {:.0} k/s, {:.0} k per CPU second, {} MB",
            rate(wall),
            rate(cpu),
            resident() / 1024
        );
    }
}

/// User and system time of all threads, from `/proc/self/stat`.
fn process_cpu() -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Resident memory in kilobytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
