//! With `exactly.once.source.support=enabled`, a worker that reads a file is killed at random points: for readers of what is
//! committed every line is in the topic once, and in order.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tributary_tests::{
    Kafka, RunFolder, Tier, Tributary, WorkerOptions, consume_all, create_topic, require, unique, wait_until,
};

use crate::arrived;

const LINES: u32 = 200_000;
const KILLS: i64 = 20;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn every_line_is_there_once_and_in_order_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, folder) = (unique("exact-lines"), RunFolder::new("exact")?);
    let file = folder.path().join("lines.txt");
    let mut lines = String::new();
    for number in 0..LINES {
        writeln!(lines, "line {number}")?;
    }
    std::fs::write(&file, lines)?;
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let options = WorkerOptions::on_kafka(kafka, &unique("exact")).set("exactly.once.source.support", "enabled");
    let mut worker = Tributary::start(options).await?;
    // Small batches, so that there are many transactions to be killed in.
    let config = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic, "batch.size": "100",
        "exactly.once.support": "required",
    });
    worker.rest().put_connector("lines", &config).await?;
    for kill in 0..KILLS {
        // By what has arrived, not by the clock; aborted records count as well.
        let share = i64::from(LINES) / KILLS;
        let point = kill * share + rand::random_range(1..share / 2);
        wait_until(LIMIT, "the next point to kill at", || async { arrived(kafka, &topic).await >= point }).await?;
        worker.kill9()?;
        worker.restart().await?;
    }
    wait_until(LIMIT, "the last line", || async {
        arrived(kafka, &topic).await > i64::from(LINES) && last_line(kafka, &topic).await == Some(LINES - 1)
    })
    .await?;
    worker.stop().await?;

    let read: Vec<u32> = committed(kafka, &topic).await?;
    assert!(read.is_sorted(), "out of order");
    assert_eq!(read, (0..LINES).collect::<Vec<_>>());
    Ok(())
}

async fn last_line(kafka: &Kafka, topic: &str) -> Option<u32> {
    committed(kafka, topic).await.ok()?.last().copied()
}

async fn committed(kafka: &Kafka, topic: &str) -> Result<Vec<u32>> {
    let messages = consume_all(&kafka.bootstrap(), topic, true).await?;
    messages.iter().map(|message| Ok(message.text().trim_start_matches("line ").parse()?)).collect()
}
