//! A Java worker's place is taken, and given back: on the same topics and group each goes on where the other stopped.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, RestClient, RunFolder, Tier, Tributary, WorkerOptions, consume_all, create_topic,
    end_offsets, require, unique, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const LINES: u32 = 2_000;

#[tokio::test]
async fn offsets_configs_and_states_go_from_java_to_tributary_and_back() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (group, topic, folder) = (unique("takeover"), unique("takeover-lines"), RunFolder::new("takeover")?);
    let file = folder.path().join("lines.txt");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    append(&file, 0)?;

    // Java begins: it reads the first lines, and one of its connectors is paused.
    let mut java = Connect::start(kafka, java_options(&group)).await?;
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic});
    java.rest().put_connector("lines", &config).await?;
    let mut paused = config.clone();
    paused["topic"] = json!(unique("elsewhere"));
    java.rest().put_connector("idle", &paused).await?;
    java.rest().wait_running("lines", 1, LIMIT).await?;
    java.rest().put("/connectors/idle/pause", &json!(null)).await?;
    wait_for_lines(kafka, &topic, 1).await?;
    let (configs, offsets) = (configs_of(&java.rest()).await?, settled(&java.rest(), &file).await?);
    java.stop().await?;

    // Tributary takes over: same connectors, same offset, and the lines go on without a gap or a repeat.
    let mut tributary =
        Tributary::start(WorkerOptions::on_kafka(kafka, &group).set("offset.flush.interval.ms", "200")).await?;
    tributary.rest().wait_running("lines", 1, LIMIT).await?;
    assert_eq!(configs_of(&tributary.rest()).await?, configs);
    assert_eq!(stored(&tributary.rest()).await?, offsets);
    wait_until(LIMIT, "the paused connector to be shown as paused", || async {
        let status = tributary.rest().get("/connectors/idle/status").await;
        status.is_ok_and(|status| status.json()["connector"]["state"] == "PAUSED")
    })
    .await?;
    append(&file, 1)?;
    wait_for_lines(kafka, &topic, 2).await?;
    tributary.rest().put("/connectors/idle/stop", &json!(null)).await?;
    let offsets = settled(&tributary.rest(), &file).await?;
    tributary.stop().await?;

    // And back again.
    let mut java = Connect::start(kafka, java_options(&group)).await?;
    java.rest().wait_running("lines", 1, LIMIT).await?;
    assert_eq!(configs_of(&java.rest()).await?, configs);
    assert_eq!(stored(&java.rest()).await?, offsets);
    wait_until(LIMIT, "the stopped connector to be shown as stopped", || async {
        let status = java.rest().get("/connectors/idle/status").await;
        status.is_ok_and(|status| status.json()["connector"]["state"] == "STOPPED")
    })
    .await?;
    append(&file, 2)?;
    wait_for_lines(kafka, &topic, 3).await?;
    java.stop().await?;

    let lines: Vec<u32> = consume_all(&kafka.bootstrap(), &topic, true)
        .await?
        .iter()
        .map(|message| message.text().trim_start_matches("line ").parse().unwrap())
        .collect();
    assert_eq!(lines, (0..LINES * 3).collect::<Vec<_>>());
    Ok(())
}

fn append(file: &Path, batch: u32) -> Result<()> {
    let lines: String = (batch * LINES..(batch + 1) * LINES).map(|number| format!("line {number}\n")).collect();
    OpenOptions::new().create(true).append(true).open(file)?.write_all(lines.as_bytes())?;
    Ok(())
}

async fn wait_for_lines(kafka: &Kafka, topic: &str, batches: u32) -> Result<()> {
    let wanted = i64::from(batches * LINES);
    wait_until(LIMIT, "the lines in the topic", || async {
        end_offsets(&kafka.bootstrap(), topic).await.is_ok_and(|ends| ends.values().sum::<i64>() >= wanted)
    })
    .await
}

async fn configs_of(rest: &RestClient) -> Result<serde_json::Value> {
    let (lines, idle) = (rest.get("/connectors/lines/config").await?, rest.get("/connectors/idle/config").await?);
    Ok(json!([lines.success()?, idle.success()?]))
}

async fn stored(rest: &RestClient) -> Result<serde_json::Value> {
    rest.get("/connectors/lines/offsets").await?.success()
}

/// The stored offsets once they have reached the end of the file.
async fn settled(rest: &RestClient, file: &Path) -> Result<serde_json::Value> {
    let length = std::fs::metadata(file)?.len();
    wait_until(LIMIT, "the offset at the end of the file", || async {
        let stored = stored(rest).await;
        stored.is_ok_and(|stored| stored["offsets"][0]["offset"]["position"] == length)
    })
    .await?;
    stored(rest).await
}

fn java_options(group: &str) -> ConnectOptions {
    ConnectOptions::default().group(group).set("offset.flush.interval.ms", "200")
}
