//! The disk is full: nothing that is kept may grow any further. Who cannot write says where and what to do, the others go
//! on, nothing that was acknowledged is lost, and it heals when there is room.
//!
//! Full is a limit on how long the worker's files may be, as for a user with `ulimit -f`: each write beyond it fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tributary_tests::process::limit_file_size;
use tributary_tests::{
    Kafka, Pipeline, RunFolder, Tier, Traffic, Tributary, WorkerOptions, committed_offsets, consume_all, create_topic,
    event_ids, produce, require, unique, visit, wait_until,
};

use crate::pipeline::{all_enriched, each_once};

const LIMIT: Duration = Duration::from_secs(120);
const LINES: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_whose_disk_is_full_waits_for_space() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let (kafka, folder) = (Kafka::shared().await?, RunFolder::new("disk")?);
    let [much, little] = ["much", "little"].map(unique);
    for topic in [&much, &little] {
        create_topic(&kafka.bootstrap(), topic, 1).await?;
    }
    let options = WorkerOptions::on_kafka(kafka, &unique("disk")).set("offset.flush.interval.ms", "300");
    let mut worker = Tributary::start(options).await?;
    let rest = worker.rest();
    for topic in [&much, &little] {
        let sink = json!({"connector.class": "FileStreamSink", "topics": topic, "file": folder.path().join(topic)});
        rest.put_connector(topic, &sink).await?;
        rest.wait_running(topic, 1, LIMIT).await?;
    }
    let lines = |topic: &str| fs::read_to_string(folder.path().join(topic)).unwrap_or_default();
    limit_file_size(worker.pid(), Some(300_000))?;
    let line = |number: usize| format!("{number:04} {}", "x".repeat(1_000));
    produce(&kafka.bootstrap(), &much, (0..LINES).map(move |number| (None, line(number).into_bytes()))).await?;
    let logged = format!("cannot write to {}: check its disk", folder.path().join(&much).display());
    wait_until(LIMIT, "the error with the file's path", || async { worker.log().contains(&logged) }).await?;
    produce(&kafka.bootstrap(), &little, [(None, b"goes on".to_vec())]).await?;
    wait_until(LIMIT, "the other sink's line", || async { lines(&little) == "goes on\n" }).await?;
    let committed = committed_offsets(&kafka.bootstrap(), &format!("connect-{much}"), &much).await?;
    let (committed, written) = (committed.values().sum::<i64>(), lines(&much).lines().count());
    ensure!(committed <= i64::try_from(written)?, "{committed} committed and {written} written");
    ensure!(written < LINES, "the disk was not full: the test has shown nothing");
    for topic in [&much, &little] {
        rest.wait_running(topic, 1, LIMIT).await?;
    }

    limit_file_size(worker.pid(), None)?;
    let all: String = (0..LINES).map(|number| line(number) + "\n").collect();
    wait_until(LIMIT, "all lines, once and in order", || async { lines(&much) == all }).await?;
    worker.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_whose_object_store_has_a_full_disk_waits_for_room_and_nobody_sees_half_an_object() -> Result<()> {
    const BUCKET: &str = "full";
    const OBJECT: usize = 4_000;
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let (kafka, topic) = (Kafka::shared().await?, unique("full-store"));
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    // The store is another process than the sink, and nothing else of it is to be written.
    let mut store = Tributary::start(WorkerOptions::embedded().set("demo.shop.enable", "false")).await?;
    let objects = store.embedded_s3()?;
    objects.sdk().create_bucket().bucket(BUCKET).send().await?;
    let keys = fs::read_to_string(store.folder().join("data/s3.credentials"))?;
    let key = |name: &str| keys.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    let options = WorkerOptions::on_kafka(kafka, &unique("disk")).set("offset.flush.interval.ms", "300");
    let mut worker = Tributary::start(options).await?;
    let rest = worker.rest();
    let sink = json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": topic, "s3.bucket.name": BUCKET,
        "storage.class": "io.confluent.connect.s3.storage.S3Storage", "store.url": store.embedded_s3_endpoint(),
        "format.class": "io.confluent.connect.s3.format.bytearray.ByteArrayFormat", "s3.region": "us-east-1",
        "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "aws.access.key.id": key("aws_access_key_id"), "aws.secret.access.key": key("aws_secret_access_key"),
        "flush.size": OBJECT.to_string(), "s3.part.retries": "1", "s3.retry.backoff.ms": "10", "retry.backoff.ms": "300",
    });
    rest.put_connector(&topic, &sink).await?;
    rest.wait_running(&topic, 1, LIMIT).await?;
    limit_file_size(store.pid(), Some(longest(&store.folder().join("data"))? + 100_000))?;
    let line = |number: usize| format!("{number:04} {}", "x".repeat(1_000));
    produce(&kafka.bootstrap(), &topic, (0..OBJECT).map(move |number| (None, line(number).into_bytes()))).await?;
    wait_until(LIMIT, "the error with the advice", || async {
        store.log().contains("check the disk of its folder") && worker.log().contains("cannot write an object")
    })
    .await?;
    rest.wait_running(&topic, 1, LIMIT).await?;
    let (seen, group) = (objects.keys(BUCKET).await?, format!("connect-{topic}"));
    ensure!(seen.is_empty(), "half an object is served: {seen:?}");
    let committed = committed_offsets(&kafka.bootstrap(), &group, &topic).await?;
    ensure!(committed.values().sum::<i64>() == 0, "{committed:?} committed and nothing written");

    limit_file_size(store.pid(), None)?;
    let all: String = (0..OBJECT).map(|number| line(number) + "\n").collect();
    wait_until(LIMIT, "all lines in one object", || async {
        let written = objects.objects(BUCKET).await.unwrap_or_default();
        matches!(&written[..], [(_, lines)] if *lines == all)
    })
    .await?;
    let folder = store.folder().join("data");
    ensure!(leftovers(&folder)?.is_empty(), "pieces of objects were left: {:?}", leftovers(&folder)?);
    worker.stop().await?;
    store.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_whose_disk_is_full_continues_exactly_once_when_there_is_space() -> Result<()> {
    const TRAFFIC: Traffic = Traffic { people: 1_000, visits: 2, events: 25 };
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    let pipeline = Arc::new(Pipeline::new(TRAFFIC.people + 1)?);
    for connector in ["raw-to-s3", "enriched-to-s3"] {
        pipeline.without(connector)?;
    }
    pipeline.set("personalize", "errors.restart.delay.max.ms", "1000")?;
    let mut worker = Tributary::start(pipeline.options(WorkerOptions::on_kafka(&kafka, "disk"))).await?;
    let rest = worker.rest();
    pipeline.running(&rest, LIMIT).await?;
    let store = worker.folder().join("data/state/disk/personalize/0.redb");
    let first = visit(TRAFFIC.people, 0, "armchair", 1);
    pipeline.send(&reqwest::Client::new(), &pipeline.token(TRAFFIC.people)?, &first, LIMIT).await?;
    wait_until(LIMIT, "the file of the state", || async { store.is_file() }).await?;
    limit_file_size(worker.pid(), Some(fs::metadata(&store)?.len()))?;
    let flow = TRAFFIC.start(&pipeline, LIMIT);
    let logged = || async {
        let status = rest.get("/connectors/personalize/status").await.map(|answer| answer.json()).unwrap_or_default();
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned();
        trace.contains("state file") && trace.contains(&store.display().to_string()) && trace.contains("check its disk")
    };
    wait_until(LIMIT, "the error with the file's path", logged).await?;
    flow.finish().await.context("clicks are taken all the same")?;
    for connector in ["clicks", "customers", "offers"] {
        rest.wait_running(connector, 1, LIMIT).await?;
    }

    limit_file_size(worker.pid(), None)?;
    rest.wait_running("personalize", 1, LIMIT).await.or_else(|error| match error.to_string() {
        text if text.contains("state file") => Ok(()),
        _ => Err(error),
    })?;
    let clicks = TRAFFIC.clicks() + first.len();
    all_enriched(&kafka, clicks).await?;
    each_once(&kafka, clicks, TRAFFIC.people).await?;
    worker.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_broker_whose_disk_is_full_accepts_nothing_and_loses_nothing() -> Result<()> {
    const TRAFFIC: Traffic = Traffic { people: 100, visits: 4, events: 25 };
    let pipeline = Arc::new(Pipeline::new(TRAFFIC.people)?);
    let options = pipeline.options(WorkerOptions::embedded()).set("demo.shop.enable", "false");
    let mut worker = Tributary::start(options).await?;
    pipeline.running(&worker.rest(), LIMIT).await?;
    let flow = TRAFFIC.start(&pipeline, LIMIT);
    flow.reached(TRAFFIC.clicks() / 10, LIMIT).await?;
    limit_file_size(worker.pid(), Some(longest(&worker.folder().join("data"))?))?;
    wait_until(LIMIT, "the error with the folder's path", || async {
        worker.log().lines().any(|line| line.contains("check the disk") && line.contains("broker.db"))
    })
    .await?;
    let before = flow.acknowledged();
    ensure!(before < TRAFFIC.clicks(), "all clicks came before: the test has shown nothing");
    ensure!(worker.rest().get("/connectors").await?.status == 200);

    limit_file_size(worker.pid(), None)?;
    flow.finish().await?;
    let raw = event_ids(&consume_all(&worker.bootstrap(), "clicks.raw", false).await?)?;
    ensure!(raw.len() == TRAFFIC.clicks(), "{} of {} acknowledged clicks", raw.len(), TRAFFIC.clicks());
    wait_until(LIMIT, "every click enriched", || async {
        let enriched = consume_all(&worker.bootstrap(), "clicks.enriched", false).await;
        enriched.and_then(|all| event_ids(&all)).is_ok_and(|ids| ids.len() == TRAFFIC.clicks())
    })
    .await?;
    worker.stop().await
}

/// The length of the longest file in a folder and those in it.
fn longest(folder: &Path) -> Result<u64> {
    let mut longest = 0;
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        longest = longest.max(if path.is_dir() { self::longest(&path)? } else { fs::metadata(&path)?.len() });
    }
    Ok(longest)
}

/// What an upload that failed has left in a folder and those in it.
fn leftovers(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(leftovers(&path)?);
        } else if name.starts_with(".tmp") {
            found.push(path);
        }
    }
    Ok(found)
}
