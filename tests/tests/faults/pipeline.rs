//! The reference pipeline on real servers, its worker killed while clicks flow: nothing is lost, nothing doubled where it is
//! exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tributary_tests::{
    Kafka, Message, Minio, Pipeline, Tier, Tributary, WorkerOptions, consume_all, require, unique, visit, wait_until,
};

const PEOPLE: u32 = 1_000;
const VISITS: u32 = 4;
const EVENTS: u32 = 25;
const CLICKS: usize = (PEOPLE * VISITS * EVENTS) as usize;
const KILLS: usize = 10;
const SENDERS: u32 = 4;
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clicks_are_enriched_exactly_once_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? || !require(Tier::Minio)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    let minio = Minio::start(&["raw", "enriched"]).await?;
    let pipeline = Arc::new(Pipeline::new(PEOPLE)?);
    let options = WorkerOptions::on_kafka(&kafka, &unique("pipeline")).set("consumer.session.timeout.ms", "6000");
    let (key, secret) = (Minio::ACCESS_KEY, Minio::SECRET_KEY);
    let mut worker = Tributary::start(pipeline.options_with_s3(options, &minio.endpoint(), key, secret)).await?;
    running(&worker).await?;

    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(Arc::clone(&pipeline), sender, Arc::clone(&acknowledged)));
    }
    let mut hits = 0;
    for kill in 0..KILLS {
        let point = CLICKS as f64 * (kill as f64 + rand::random::<f64>()) / KILLS as f64;
        let reached = || async { acknowledged.load(Ordering::Relaxed) as f64 >= point };
        wait_until(LIMIT, "the next point to kill at", reached).await?;
        hits += usize::from(acknowledged.load(Ordering::Relaxed) < CLICKS);
        worker.kill9()?;
        worker.restart().await?;
    }
    let mut retried = 0;
    while let Some(sender) = senders.join_next().await {
        retried += sender??;
    }
    assert!(hits > 0 && retried > 0, "no kill came while clicks flowed: the test has shown nothing");

    let raw = event_ids(&consume_all(&kafka.bootstrap(), "clicks.raw", true).await?)?;
    assert_eq!(raw.keys().len(), CLICKS, "an acknowledged click is not in clicks.raw");
    let all_enriched = || async {
        let enriched = consume_all(&kafka.bootstrap(), "clicks.enriched", true).await;
        enriched.is_ok_and(|enriched| enriched.len() >= CLICKS)
    };
    wait_until(LIMIT, "every click enriched", all_enriched).await?;
    let in_s3 = || async { complete(&minio, "raw").await && complete(&minio, "enriched").await };
    wait_until(LIMIT, "every click in both buckets", in_s3).await?;
    worker.stop().await?;

    let enriched = event_ids(&consume_all(&kafka.bootstrap(), "clicks.enriched", true).await?)?;
    assert_eq!(enriched.keys().len(), CLICKS);
    let doubled: Vec<_> = enriched.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(doubled.is_empty(), "enriched more than once: {doubled:?}");
    let offers = consume_all(&kafka.bootstrap(), "offers", true).await?;
    let people: BTreeSet<String> = offers.iter().map(Message::key_text).collect();
    assert_eq!(people.len(), offers.len(), "somebody has more offers than the cap allows");
    assert_eq!(people.len(), PEOPLE as usize, "somebody who lingered has no offer");
    Ok(())
}

/// Every person comes back several times to a product seen long before, and lingers.
async fn send(pipeline: Arc<Pipeline>, sender: u32, acknowledged: Arc<AtomicUsize>) -> Result<usize> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut retried = 0;
    for number in 0..VISITS {
        for person in (sender..PEOPLE).step_by(SENDERS as usize) {
            let (token, events) = (pipeline.token(person)?, visit(person, number, "armchair", EVENTS));
            let tries = pipeline.send(&client, &token, &events, LIMIT).await?;
            retried += tries - 1;
            acknowledged.fetch_add(events.len(), Ordering::Relaxed);
        }
    }
    Ok(retried)
}

async fn running(worker: &Tributary) -> Result<()> {
    let names = worker.rest().get("/connectors").await?.json();
    for name in names.as_array().context("names of connectors")?.iter().filter_map(Value::as_str) {
        worker.rest().wait_running(name, 1, Duration::from_secs(60)).await?;
    }
    Ok(())
}

fn event_ids(messages: &[Message]) -> Result<BTreeMap<String, usize>> {
    let mut ids = BTreeMap::new();
    for message in messages {
        let event: Value = serde_json::from_str(&message.text())?;
        let id = event["event_id"].as_str().context("an event without an id")?;
        *ids.entry(id.to_owned()).or_default() += 1;
    }
    Ok(ids)
}

async fn complete(minio: &Minio, bucket: &str) -> bool {
    let Ok(objects) = minio.client().objects(bucket).await else { return false };
    let lines =
        objects.iter().flat_map(|(_, object)| object.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty());
    let ids: BTreeSet<String> = lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok()?["event_id"].as_str().map(str::to_owned))
        .collect();
    ids.len() == CLICKS
}
