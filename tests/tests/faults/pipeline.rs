//! The reference pipeline on real servers, its worker killed while clicks flow: nothing is lost, nothing doubled where it is
//! exactly once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tributary_tests::{
    Kafka, Message, Minio, Pipeline, Tier, Traffic, Tributary, WorkerOptions, consume_all, event_ids, event_ids_in,
    require, unique, wait_until,
};

const TRAFFIC: Traffic = Traffic { people: 1_000, visits: 4, events: 25 };
const CLICKS: usize = TRAFFIC.clicks();
const KILLS: usize = 10;
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clicks_are_enriched_exactly_once_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? || !require(Tier::Minio)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    let minio = Minio::start(&["raw", "enriched"]).await?;
    let pipeline = Arc::new(Pipeline::new(TRAFFIC.people)?);
    // Below the session's, which is short so that a killed worker's partitions are soon read again.
    pipeline.set("personalize", "transaction.timeout.ms", "5000")?;
    let options = WorkerOptions::on_kafka(&kafka, &unique("pipeline")).set("consumer.session.timeout.ms", "6000");
    let (key, secret) = (Minio::ACCESS_KEY, Minio::SECRET_KEY);
    let mut worker = Tributary::start(pipeline.options_with_s3(options, &minio.endpoint(), key, secret)).await?;
    pipeline.running(&worker.rest(), Duration::from_secs(60)).await?;
    let promise = worker.rest().get("/connectors/personalize/processing").await?.success()?;
    assert_eq!(promise["guarantee"], "exactly_once");

    let flow = TRAFFIC.start(&pipeline, LIMIT);
    let mut hits = 0;
    for kill in 0..KILLS {
        let point = CLICKS as f64 * (kill as f64 + rand::random::<f64>()) / KILLS as f64;
        flow.reached(point as usize, LIMIT).await?;
        hits += usize::from(flow.acknowledged() < CLICKS);
        worker.kill9()?;
        worker.restart().await?;
    }
    let retried = flow.finish().await?;
    assert!(hits > 0 && retried > 0, "no kill came while clicks flowed: the test has shown nothing");

    all_enriched(&kafka, CLICKS).await?;
    let s3 = minio.client();
    let complete = async |bucket| event_ids_in(&s3, bucket).await.is_ok_and(|ids| ids.len() == CLICKS);
    let in_s3 = || async { complete("raw").await && complete("enriched").await };
    wait_until(LIMIT, "every click in both buckets", in_s3).await?;
    worker.stop().await?;
    each_once(&kafka, CLICKS, TRAFFIC.people).await
}

/// Waits until all clicks are enriched, of which none may be missing where the collector has written them.
pub(crate) async fn all_enriched(kafka: &Kafka, clicks: usize) -> Result<()> {
    let raw = event_ids(&consume_all(&kafka.bootstrap(), "clicks.raw", true).await?)?;
    assert_eq!(raw.keys().len(), clicks, "an acknowledged click is not in clicks.raw");
    let all_enriched = || async {
        let enriched = consume_all(&kafka.bootstrap(), "clicks.enriched", true).await;
        enriched.is_ok_and(|enriched| enriched.len() >= clicks)
    };
    wait_until(LIMIT, "every click enriched", all_enriched).await
}

/// No click was enriched twice, and everybody has the one offer that the cap allows.
pub(crate) async fn each_once(kafka: &Kafka, clicks: usize, lingered: u32) -> Result<()> {
    let enriched = event_ids(&consume_all(&kafka.bootstrap(), "clicks.enriched", true).await?)?;
    assert_eq!(enriched.keys().len(), clicks);
    let doubled: Vec<_> = enriched.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(doubled.is_empty(), "enriched more than once: {doubled:?}");
    let offers = consume_all(&kafka.bootstrap(), "offers", true).await?;
    let people: BTreeSet<String> = offers.iter().map(Message::key_text).collect();
    assert_eq!(people.len(), offers.len(), "somebody has more offers than the cap allows");
    assert_eq!(people.len(), lingered as usize, "somebody who lingered has no offer");
    Ok(())
}
