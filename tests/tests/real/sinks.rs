//! Sinks in their consumer group: which members leave it at once, what is committed for partitions without records,
//! what a sink without topics shows, and whose word on the consumer's settings counts.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tributary_kafka::ProducerRecord;
use tributary_tests::{
    Kafka, RestClient, Tier, Tributary, WorkerOptions, committed_offsets, create_topic, require, unique, wait_until,
};

use super::kafka::support::broker;

const LIMIT: Duration = Duration::from_secs(120);
/// By which a group waits for a member that has not left: far above [`LIMIT`], so that what comes within that did not wait.
const SESSION_MS: &str = "240000";

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_a_partition_leaves_its_group_at_once() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, name) = (unique("idle-members"), unique("idle-members"));
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let options = WorkerOptions::on_kafka(kafka, &unique("sinks")).set("consumer.session.timeout.ms", SESSION_MS);
    let mut worker = Tributary::start(options).await?;
    let rest = worker.rest();
    let file = worker.folder().join("out.txt");
    let mut config = sink(&topic, file.to_str().unwrap());
    config["tasks.max"] = json!("3");
    rest.put_connector(&name, &config).await?;
    rest.wait_running(&name, 3, LIMIT).await?;
    write(&topic, 0, "first").await;
    read_by(&file, "first", LIMIT).await?;

    rest.post(&format!("/connectors/{name}/restart?includeTasks=true"), &Value::Null).await?.success()?;
    write(&topic, 0, "restarted").await;
    read_by(&file, "restarted", LIMIT).await?;
    config["errors.log.enable"] = json!("true");
    rest.put_connector(&name, &config).await?;
    write(&topic, 0, "configured").await;
    read_by(&file, "configured", LIMIT).await?;

    rest.put(&format!("/connectors/{name}/stop"), &Value::Null).await?.success()?;
    wait_until(LIMIT, "the offsets can be reset", || async {
        rest.delete(&format!("/connectors/{name}/offsets")).await.is_ok_and(|answer| answer.status == 200)
    })
    .await?;
    worker.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_written_to_an_idle_partition_while_the_sink_is_stopped_are_read() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (topic, name) = (unique("idle-partition"), unique("idle-partition"));
    create_topic(&kafka.bootstrap(), &topic, 2).await?;
    write(&topic, 1, "before").await;
    // The worker's own default comes after what the operator writes: at first nothing is read.
    let options = WorkerOptions::on_kafka(kafka, &unique("sinks"))
        .set("consumer.auto.offset.reset", "latest")
        .set("offset.flush.interval.ms", "200");
    let mut worker = Tributary::start(options).await?;
    let rest = worker.rest();
    let file = worker.folder().join("out.txt");
    rest.put_connector(&name, &sink(&topic, file.to_str().unwrap())).await?;
    rest.wait_running(&name, 1, LIMIT).await?;
    let group = format!("connect-{name}");
    let committed = || async { committed_offsets(&kafka.bootstrap(), &group, &topic).await.unwrap_or_default() };
    wait_until(LIMIT, "where both partitions begin", || async {
        committed().await == BTreeMap::from([(0, 0), (1, 1)])
    })
    .await?;
    rest.put(&format!("/connectors/{name}/stop"), &Value::Null).await?.success()?;
    wait_until(LIMIT, "no tasks", || async {
        rest.get(&format!("/connectors/{name}/status")).await.is_ok_and(|answer| answer.json()["tasks"] == json!([]))
    })
    .await?;
    write(&topic, 0, "zero").await;
    write(&topic, 1, "one").await;
    rest.put(&format!("/connectors/{name}/resume"), &Value::Null).await?.success()?;
    for text in ["zero", "one"] {
        read_by(&file, text, LIMIT).await?;
    }
    let text = std::fs::read_to_string(&file)?;
    assert!(!text.contains("before"), "latest was not heeded: {text}");
    worker.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_whose_pattern_matches_nothing_yet_runs_pauses_and_finds_its_topic() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (stem, name) = (unique("pattern"), unique("pattern"));
    let mut worker = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("sinks"))).await?;
    let rest = worker.rest();
    let file = worker.folder().join("out.txt");
    let mut config = sink("", file.to_str().unwrap());
    config["topics.regex"] = json!(format!("{stem}-.*"));
    rest.put_connector(&name, &config).await?;
    rest.wait_running(&name, 1, LIMIT).await?;
    rest.put(&format!("/connectors/{name}/pause"), &Value::Null).await?.success()?;
    task_is(&rest, &name, "PAUSED").await?;
    rest.put(&format!("/connectors/{name}/resume"), &Value::Null).await?.success()?;
    task_is(&rest, &name, "RUNNING").await?;
    rest.post(&format!("/connectors/{name}/restart?includeTasks=true"), &Value::Null).await?.success()?;
    task_is(&rest, &name, "RUNNING").await?;
    let topic = format!("{stem}-late");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    write(&topic, 0, "found").await;
    read_by(&file, "found", LIMIT).await?;
    worker.stop().await
}

fn sink(topics: &str, file: &str) -> Value {
    json!({"connector.class": "FileStreamSink", "tasks.max": "1", "topics": topics, "file": file})
}

async fn write(topic: &str, partition: i32, text: &str) {
    let (producer, deliveries) = broker().await.unwrap().producer();
    let (partition, value) = (Some(partition), Some(text.as_bytes()));
    producer.send(&ProducerRecord { topic, partition, value, ..ProducerRecord::default() }, 0).unwrap();
    assert!(deliveries.wait(1)[0].result.is_ok());
}

async fn read_by(file: &std::path::Path, text: &str, limit: Duration) -> Result<()> {
    let there = || async { std::fs::read_to_string(file).is_ok_and(|all| all.lines().any(|line| line == text)) };
    wait_until(limit, &format!("{text} in the file"), there).await
}

async fn task_is(rest: &RestClient, name: &str, state: &str) -> Result<()> {
    wait_until(LIMIT, &format!("the task is {state}"), || async {
        let status = rest.get(&format!("/connectors/{name}/status")).await.map(|answer| answer.json());
        status.is_ok_and(|status| status["tasks"][0]["state"] == state)
    })
    .await
}
