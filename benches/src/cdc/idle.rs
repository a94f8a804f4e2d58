//! Many captured tables of which one changes: from a row's commit to its record, and what a poll asks of the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use tributary_tests::{Kafka, SqlClient, SqlServer, unique, wait_until};

use super::connector::BenchConnector;
use super::data::{self, FIRST};
use crate::peer::{Kind, Peer};
use crate::report::Report;

/// Between two polls that found nothing, for both.
const POLL_MS: u64 = 100;
/// Between two rows.
const PAUSE: Duration = Duration::from_millis(50);
/// Rows that are not counted: a virtual machine compiles its code meanwhile.
const WARM_UP: Duration = Duration::from_secs(15);
/// The statement of each poll: both connectors ask for the end of the log.
const POLL: &str = "MAX(start_lsn)";

pub(super) async fn run(kafka: &Kafka, kinds: &[Kind], tables: usize, seconds: u64, report: &mut Report) -> Result<()> {
    // The agent's own five seconds would be most of what is measured.
    let server = SqlServer::start(&["--capture-every", "5"]).await?;
    let mut client = data::create(&server).await?;
    client.run("EXEC standin.capture @command = 'pause'").await?;
    for number in 1..tables {
        data::create_table(&mut client, &format!("idle_{number}")).await?;
    }
    client.run("EXEC standin.capture @command = 'resume'").await?;
    let mut id = FIRST;
    for kind in kinds.iter().copied() {
        let (mut peer, connector) = (Peer::start_for_cdc(kafka, kind).await?, BenchConnector::new(kafka, kind).await?);
        let before = id;
        connector.post(kafka, &peer.rest(), &server, &[("poll.interval.ms", &POLL_MS.to_string())]).await?;
        connector.wait_for(kafka, &peer.rest(), before).await?;
        connector.offset(&peer.rest()).await?;
        let reader = Reader::start(kafka, &connector.topic(), before)?;
        write(&mut client, &reader, &mut id, WARM_UP).await?;
        reader.settle().await?;
        reader.latencies.lock().reset();
        client.count_requests().await?;
        let cpu = peer.usage()?.cpu;
        write(&mut client, &reader, &mut id, Duration::from_secs(seconds)).await?;
        reader.settle().await?;
        let cpu = peer.usage()?.cpu - cpu;
        let asked = client.requests(&connector.name).await?;
        let latencies = reader.end()?;
        let who = super::name(kind);
        let what = |figure: &str| format!("CDC, 1 of {tables} tables changes, {figure}");
        for (share, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let ms = latencies.value_at_quantile(quantile) as f64 / 1e3;
            report.add(&what(&format!("commit to topic, {share}")), who, "ms", 1, ms);
        }
        let all: i64 = asked.iter().map(|(_, count)| count).sum();
        let polls: i64 = asked.iter().filter(|(text, _)| text.contains(POLL)).map(|(_, count)| count).sum();
        ensure!(polls > 0, "no poll is among {asked:?}");
        report.add(&what("round trips a poll"), who, "", 1, all as f64 / polls as f64);
        report.add(&what("CPU"), who, "% of a core", 1, cpu.as_secs_f64() / seconds as f64 * 1e2);
        connector.stop(&peer.rest()).await?;
        peer.end().await?;
    }
    Ok(())
}

async fn write(client: &mut SqlClient, reader: &Reader, id: &mut usize, time: Duration) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        reader.waiting.lock().insert(*id, Instant::now());
        client.run(&data::row(*id)).await?;
        *id += 1;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Sees records as they come.
struct Reader {
    waiting: Arc<Mutex<HashMap<usize, Instant>>>,
    latencies: Arc<Mutex<Histogram<u64>>>,
    ends: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<()>>,
}

impl Reader {
    fn start(kafka: &Kafka, topic: &str, from: usize) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap()).set("group.id", unique("bench"));
        config.set("fetch.wait.max.ms", "10").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create()?;
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(topic, 0, Offset::Offset(i64::try_from(from)?))?;
        consumer.assign(&partitions)?;
        let waiting = Arc::<Mutex<HashMap<usize, Instant>>>::default();
        let latencies = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 600_000_000, 3)?));
        let ends = Arc::<AtomicBool>::default();
        let reads = (Arc::clone(&waiting), Arc::clone(&latencies), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let (waiting, latencies, ends) = reads;
            while !ends.load(Ordering::Relaxed) {
                let Some(message) = consumer.poll(Duration::from_millis(50)) else { continue };
                let (message, now) = (message?, Instant::now());
                let value: Value = serde_json::from_slice(message.payload().context("a record without a value")?)?;
                let id = value["after"]["id"].as_u64().context("a record without an id")?;
                if let Some(begun) = waiting.lock().remove(&usize::try_from(id)?) {
                    let micros = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
                    latencies.lock().saturating_record(micros);
                }
            }
            Ok(())
        });
        Ok(Self { waiting, latencies, ends, thread })
    }

    /// Waits for what is on its way.
    async fn settle(&self) -> Result<()> {
        let none_left = || async { self.waiting.lock().is_empty() };
        wait_until(super::LIMIT, "the last rows", none_left).await
    }

    fn end(self) -> Result<Histogram<u64>> {
        self.ends.store(true, Ordering::Relaxed);
        let read = self.thread.join().map_err(|_| anyhow::anyhow!("the reader of records panicked"))?;
        read.map(|()| self.latencies.lock().clone())
    }
}
