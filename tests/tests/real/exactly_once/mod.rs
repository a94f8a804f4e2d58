//! Source records and their offsets in one transaction: where transactions end, who is fenced off, what is refused, and a Java
//! worker before and after.

mod boundaries;
mod own_topic;
mod sqlserver;
mod validation;
mod zombies;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, RestClient, RunFolder, Tier, Tributary, WorkerOptions, consume_all, create_topic,
    end_offsets, require, unique, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const SUPPORT: &str = "exactly.once.source.support";

/// A file that a connector reads into a topic of one partition.
struct Lines {
    kafka: &'static Kafka,
    group: String,
    topic: String,
    file: PathBuf,
    _folder: RunFolder,
}

impl Lines {
    async fn new(stem: &str) -> Result<Self> {
        let (kafka, folder) = (Kafka::shared().await?, RunFolder::new(stem)?);
        let (group, topic, file) = (unique(stem), unique(stem), folder.path().join("lines.txt"));
        create_topic(&kafka.bootstrap(), &topic, 1).await?;
        Ok(Self { kafka, group, topic, file, _folder: folder })
    }

    fn options(&self, support: &str) -> WorkerOptions {
        WorkerOptions::on_kafka(self.kafka, &self.group).set(SUPPORT, support).set("offset.flush.interval.ms", "500")
    }

    fn config(&self, more: Value) -> Value {
        let mut config =
            json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": self.file, "topic": self.topic});
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        config
    }

    /// Lines with these numbers.
    fn append(&self, numbers: std::ops::Range<u32>) -> Result<()> {
        append(&self.file, numbers)
    }

    /// The lines that a reader sees, committed or all.
    async fn read(&self, committed: bool) -> Vec<u32> {
        let messages = consume_all(&self.kafka.bootstrap(), &self.topic, committed).await.unwrap_or_default();
        messages.iter().map(|message| message.text().trim_start_matches("line ").parse().unwrap()).collect()
    }

    async fn wait_for(&self, lines: u32, committed: bool) -> Result<()> {
        wait_until(LIMIT, "the lines", || async { self.read(committed).await.last() == Some(&(lines - 1)) }).await
    }

    /// Every line once, and in order.
    async fn assert_exact(&self, lines: u32) {
        assert_eq!(self.read(true).await, (0..lines).collect::<Vec<_>>());
    }

    async fn end(&self) -> Result<i64> {
        Ok(end_offsets(&self.kafka.bootstrap(), &self.topic).await?.values().sum())
    }
}

fn append(file: &Path, numbers: std::ops::Range<u32>) -> Result<()> {
    let lines: String = numbers.map(|number| format!("line {number}\n")).collect();
    OpenOptions::new().create(true).append(true).open(file)?.write_all(lines.as_bytes())?;
    Ok(())
}

async fn position(rest: &RestClient, connector: &str) -> Option<u64> {
    let offsets = rest.get(&format!("/connectors/{connector}/offsets")).await.ok()?.json();
    offsets["offsets"][0]["offset"]["position"].as_u64()
}

/// A transaction that stays open is not seen; one ends at its interval although nothing more comes.
#[tokio::test]
async fn a_transaction_ends_at_its_interval() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("interval").await?;
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    let long = json!({
        "transaction.boundary": "interval", "transaction.boundary.interval.ms": "300000",
        "producer.override.transaction.timeout.ms": "800000", "producer.override.linger.ms": "0",
    });
    worker.rest().put_connector("lines", &lines.config(long)).await?;
    for batch in 0..3 {
        lines.append(batch * 100..(batch + 1) * 100)?;
        lines.wait_for((batch + 1) * 100, false).await?;
    }
    assert_eq!(lines.read(true).await, Vec::<u32>::new(), "of the open transaction");
    assert_eq!(position(&worker.rest(), "lines").await, None);

    // The end of the task is one of its transaction; the next task's interval is short.
    let short = json!({"transaction.boundary": "interval", "transaction.boundary.interval.ms": "200"});
    worker.rest().put_connector("lines", &lines.config(short)).await?;
    lines.wait_for(300, true).await?;
    lines.append(300..350)?;
    lines.wait_for(350, true).await?;
    let length = std::fs::metadata(&lines.file)?.len();
    wait_until(LIMIT, "the offset", || async { position(&worker.rest(), "lines").await == Some(length) }).await?;
    lines.assert_exact(350).await;
    worker.stop().await
}

/// A worker that is preparing writes as before: no transaction leaves a marker in the topic.
#[tokio::test]
async fn a_worker_that_is_preparing_writes_without_transactions() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("preparing").await?;
    let mut worker = Tributary::start(lines.options("preparing")).await?;
    lines.append(0..50)?;
    worker.rest().put_connector("lines", &lines.config(json!({}))).await?;
    lines.wait_for(50, true).await?;
    assert_eq!(lines.end().await?, 50);
    worker.stop().await?;

    let mut worker = Tributary::start(lines.options("enabled")).await?;
    lines.append(50..100)?;
    lines.wait_for(100, true).await?;
    worker.stop().await?;
    lines.assert_exact(100).await;
    assert!(lines.end().await? > 100, "the marker of a transaction");
    Ok(())
}

/// Each worker continues from what the other one, a Java worker, has committed, and fences off the other's tasks.
#[tokio::test]
async fn an_exactly_once_source_goes_from_java_to_tributary_and_back() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let lines = Lines::new("exact-takeover").await?;
    let java = || ConnectOptions::default().group(&lines.group).set(SUPPORT, "enabled");
    lines.append(0..1_000)?;
    let mut worker = Connect::start(lines.kafka, java()).await?;
    worker.rest().put_connector("lines", &lines.config(json!({"exactly.once.support": "required"}))).await?;
    lines.wait_for(1_000, true).await?;
    // In mid-stream: nothing of what is not committed counts.
    worker.kill9().await?;

    lines.append(1_000..2_000)?;
    let mut tributary = Tributary::start(lines.options("enabled")).await?;
    tributary.rest().wait_running("lines", 1, LIMIT).await?;
    lines.wait_for(2_000, true).await?;
    lines.append(2_000..2_500)?;
    lines.wait_for(2_500, true).await?;
    tributary.kill9()?;

    lines.append(2_500..3_000)?;
    let mut worker = Connect::start(lines.kafka, java()).await?;
    worker.rest().wait_running("lines", 1, LIMIT).await?;
    lines.wait_for(3_000, true).await?;
    worker.stop().await?;
    lines.assert_exact(3_000).await;
    Ok(())
}

/// What can never be sent costs itself where that is tolerated, and its offset is committed with the others'; where it is not, the
/// task fails and nothing of its transaction is there.
#[tokio::test]
async fn a_record_that_cannot_be_sent_costs_itself_where_that_is_tolerated() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("refused").await?;
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    lines.append(0..100)?;
    writeln!(OpenOptions::new().append(true).open(&lines.file)?, "{}", "x".repeat(5_000))?;
    lines.append(100..200)?;
    let config = |tolerance: &str| {
        let more = json!({"errors.tolerance": tolerance, "producer.override.max.request.size": "2000"});
        lines.config(more)
    };
    worker.rest().put_connector("lines", &config("none")).await?;
    wait_until(LIMIT, "the task to fail", || async {
        let status = worker.rest().get("/connectors/lines/status").await.map(|status| status.json());
        status.is_ok_and(|status| status["tasks"][0]["state"] == "FAILED")
    })
    .await?;
    assert_eq!(lines.read(true).await, Vec::<u32>::new(), "all lines were one batch");
    worker.rest().put_connector("lines", &config("all")).await?;
    lines.wait_for(200, true).await?;
    lines.assert_exact(200).await;
    let length = std::fs::metadata(&lines.file)?.len();
    // The ends of a transaction reach its topics one after the other.
    wait_until(LIMIT, "the offset", || async { position(&worker.rest(), "lines").await == Some(length) }).await?;
    worker.stop().await
}
