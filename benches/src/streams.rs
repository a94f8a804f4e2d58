//! The parts `start`, `source` and `sink`: start-up, and lines from and to files.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tributary_tests::{Kafka, RunFolder, create_topic, unique, wait_until};

use crate::ceiling::fill;
use crate::lines::Lines;
use crate::measure::{Measurement, Stopwatch, records};
use crate::peer::{Kind, Peer};
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(300);
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// From the start of the process to the first answer, and the memory five seconds later.
pub(crate) async fn start(kafka: &Kafka, kind: Kind, report: &mut Report) -> Result<()> {
    let peer = Peer::start(kafka, kind).await?;
    report.add("start to REST", kind.name(), "ms", 0, peer.startup().as_secs_f64() * 1e3);
    tokio::time::sleep(Duration::from_secs(5)).await;
    report.add("idle memory", kind.name(), "MB", 1, mb(peer.usage()?.rss_bytes));
    peer.stop().await
}

/// A file into a topic.
pub(crate) async fn source(kafka: &Kafka, kind: Kind, lines: &Lines, report: &mut Report) -> Result<()> {
    let (peer, topic) = (Peer::start(kafka, kind).await?, unique("source"));
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let mut config = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "topic": topic, "file": lines.file,
        "key.converter": STRING, "value.converter": STRING,
    });
    for (name, value) in kind.source_tuning() {
        config[*name] = Value::from(*value);
    }
    let watch = Stopwatch::start(&peer)?;
    peer.rest().put_connector("bench-source", &config).await?;
    wait_until(LIMIT, "all lines in the topic", || async {
        records(kafka, &topic).await.is_ok_and(|count| count >= lines.count)
    })
    .await?;
    let took = watch.stop(&peer)?;
    ensure!(records(kafka, &topic).await? == lines.count, "the topic holds other than the lines of the file");
    add(report, "FileStreamSource", kind, lines.count, &took);
    peer.stop().await
}

/// A topic into a file.
pub(crate) async fn sink(kafka: &Kafka, kind: Kind, lines: &Lines, report: &mut Report) -> Result<()> {
    let (topic, folder) = (unique("sink"), RunFolder::new("sink")?);
    let file = folder.path().join("output.jsonl");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    fill(&kafka.bootstrap(), &topic, lines).await?;
    let peer = Peer::start(kafka, kind).await?;
    let config = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": topic, "file": file,
        "key.converter": STRING, "value.converter": STRING,
    });
    let watch = Stopwatch::start(&peer)?;
    peer.rest().put_connector("bench-sink", &config).await?;
    wait_until(LIMIT, "all records in the file", || async {
        fs::metadata(&file).is_ok_and(|metadata| metadata.len() >= lines.bytes)
    })
    .await?;
    let took = watch.stop(&peer)?;
    ensure!(fs::read(&file)? == fs::read(&lines.file)?, "the file holds other than the lines of the topic");
    add(report, "FileStreamSink", kind, lines.count, &took);
    peer.stop().await
}

fn add(report: &mut Report, what: &str, kind: Kind, count: usize, took: &Measurement) {
    let (who, thousands) = (kind.name(), count as f64 / 1e3);
    report.add(&format!("{what}, a second"), who, "k records", 0, thousands / took.wall.as_secs_f64());
    report.add(&format!("{what}, a CPU second"), who, "k records", 0, thousands / took.cpu.as_secs_f64());
    report.add(&format!("{what}, peak memory"), who, "MB", 0, mb(took.peak_rss_bytes));
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
