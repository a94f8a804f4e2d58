//! A worker that reads a file is killed at random points: every line reaches the topic, in order.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tributary_tests::{
    Kafka, RunFolder, Tier, Tributary, WorkerOptions, consume_all, create_topic, require, unique, wait_until,
};

use crate::arrived;
use crate::writer::Writer;

/// In each write of some 500 a second.
const BATCH: u32 = 100;
/// How many lines come at most between a kill and the next.
const DISTANCE: i64 = 30_000;
/// How many lines are written at most beyond those that have arrived.
const AHEAD: i64 = 2 * DISTANCE;
const KILLS: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn no_line_is_lost_or_out_of_order_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, folder) = (unique("crash-lines"), RunFolder::new("crash")?);
    let mut writer = Writer::start(&folder.path().join("lines.txt"), BATCH)?;
    writer.limit(u32::try_from(AHEAD)?);
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let options = WorkerOptions::on_kafka(kafka, &unique("crash")).set("offset.flush.interval.ms", "50");
    let mut worker = Tributary::start(options).await?;
    // Small batches, so that a kill comes between them.
    let config = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": writer.file, "topic": topic, "batch.size": "50",
        "producer.override.linger.ms": "0",
    });
    worker.rest().put_connector("lines", &config).await?;

    for _ in 0..KILLS {
        // Random points while lines are on their way: by what has arrived, not by the clock.
        let point = arrived(kafka, &topic).await + rand::random_range(1..DISTANCE);
        wait_until(LIMIT, "the next point to kill at", || async {
            let arrived = arrived(kafka, &topic).await;
            writer.limit(u32::try_from(arrived + AHEAD).unwrap());
            arrived >= point
        })
        .await?;
        worker.kill9()?;
        worker.restart().await?;
    }
    let lines = writer.end();
    wait_until(LIMIT, "the last line", || async {
        let last = last_line(kafka, &topic).await;
        last == Some(lines - 1)
    })
    .await?;
    worker.stop().await?;

    // A replay may repeat lines, from a stored offset on: without repeats, all are there in order, and nothing ever jumps
    // forward.
    let mut seen = 0;
    for message in consume_all(&kafka.bootstrap(), &topic, true).await? {
        let number: u32 = message.text().trim_start_matches("line ").parse()?;
        assert!(number <= seen, "line {number} came before line {seen}");
        seen = seen.max(number + 1);
    }
    assert_eq!(seen, lines);
    Ok(())
}

async fn last_line(kafka: &Kafka, topic: &str) -> Option<u32> {
    let messages = consume_all(&kafka.bootstrap(), topic, true).await.ok()?;
    messages.last()?.text().trim_start_matches("line ").parse().ok()
}
