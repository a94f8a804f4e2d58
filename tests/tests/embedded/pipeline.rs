//! The reference pipeline with no server but the worker's own, which is killed while clicks flow: what docs/guarantees.md
//! promises for the embedded broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tributary_tests::{
    OpenPage, Pipeline, Traffic, Tributary, WorkerOptions, consume_all, event_ids, event_ids_in, visit, wait_until,
};

const TRAFFIC: Traffic = Traffic { people: 100, visits: 4, events: 25 };
/// They have a page open all the time: one lingers when the worker is killed, the other one after it has come back.
const AT_THE_KILL: u32 = TRAFFIC.people;
const AFTERWARDS: u32 = TRAFFIC.people + 1;
const PEOPLE: u32 = TRAFFIC.people + 2;
const CLICKS: usize = TRAFFIC.clicks() + 2 * TRAFFIC.events as usize;
const KILLS: usize = 4;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_no_voucher_is_doubled_when_the_worker_is_killed() -> Result<()> {
    let pipeline = Arc::new(Pipeline::new(PEOPLE)?);
    let options = pipeline.options(WorkerOptions::embedded()).set("demo.shop.enable", "false");
    let mut worker = Tributary::start(options).await?;
    pipeline.running(&worker.rest(), LIMIT).await?;
    let promise = worker.rest().get("/connectors/personalize/processing").await?.success()?;
    assert_eq!(promise["guarantee"], "at_least_once");
    assert!(promise["reason"].as_str().unwrap().contains("embedded broker"), "{promise}");
    assert_eq!(worker.rest().get("/connectors/clicks/processing").await?.status, 404);
    let bootstrap = worker.bootstrap();
    let known = || async { count(&bootstrap, "customers").await == PEOPLE as usize };
    wait_until(LIMIT, "all customers in the table", known).await?;
    let at_the_kill = OpenPage::open(&pipeline, AT_THE_KILL)?;
    let afterwards = OpenPage::open(&pipeline, AFTERWARDS)?;
    afterwards.connected(1, LIMIT).await?;

    let flow = TRAFFIC.start(&pipeline, LIMIT);
    let mut hits = 0;
    for kill in 0..KILLS {
        let point = TRAFFIC.clicks() as f64 * (kill as f64 + rand::random::<f64>()) / KILLS as f64;
        flow.reached(point as usize, LIMIT).await?;
        if kill == 1 {
            linger(&pipeline, AT_THE_KILL).await?;
        }
        hits += usize::from(flow.acknowledged() < TRAFFIC.clicks());
        worker.kill9()?;
        worker.restart().await?;
    }
    let retried = flow.finish().await?;
    assert!(
        hits >= 3 && retried > 0,
        "{hits} kills and {retried} failed requests: clicks did not flow, nothing is shown"
    );
    linger(&pipeline, AFTERWARDS).await?;
    for page in [&at_the_kill, &afterwards] {
        page.offered(LIMIT).await?;
    }
    // Not after each kill: on a slow machine the next one comes before.
    assert!(afterwards.connections() > 1, "the page was connected all the time");

    let raw = event_ids(&consume_all(&bootstrap, "clicks.raw", false).await?)?;
    assert_eq!(raw.len(), CLICKS, "an acknowledged click is not in clicks.raw");
    let expected: BTreeSet<&String> = raw.keys().collect();
    let enriched = || async {
        let messages = consume_all(&bootstrap, "clicks.enriched", false).await;
        messages.and_then(|all| event_ids(&all)).is_ok_and(|ids| ids.keys().collect::<BTreeSet<_>>() == expected)
    };
    wait_until(LIMIT, "every click enriched", enriched).await?;
    let s3 = worker.embedded_s3()?;
    for bucket in ["raw", "enriched"] {
        let stored = || async {
            let ids = event_ids_in(&s3, bucket).await;
            ids.is_ok_and(|ids| ids.iter().collect::<BTreeSet<_>>() == expected)
        };
        wait_until(LIMIT, &format!("every click in the bucket {bucket}"), stored).await?;
    }
    assert_one_voucher_each(&bootstrap, &[at_the_kill.offers(), afterwards.offers()].concat()).await?;
    worker.stop().await
}

/// An offer may be written twice, as the same offer: everybody has lingered often enough for one, and the cap is one.
async fn assert_one_voucher_each(bootstrap: &str, shown: &[Value]) -> Result<()> {
    let mut offers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in consume_all(bootstrap, "offers", false).await? {
        let offer: Value = serde_json::from_str(&message.text())?;
        offers.entry(message.key_text()).or_default().insert(offer["offer_id"].to_string());
    }
    let several: Vec<_> = offers.iter().filter(|(_, ids)| ids.len() > 1).take(5).collect();
    assert!(several.is_empty(), "more offers than the cap allows: {several:?}");
    assert_eq!(offers.len(), PEOPLE as usize, "somebody who lingered has no offer");
    for offer in shown {
        let person = offer["person_id"].as_str().unwrap();
        assert!(offers[person].contains(&offer["offer_id"].to_string()), "{offer}");
        assert_eq!(offer["code"], "COMEBACK10");
    }
    Ok(())
}

async fn linger(pipeline: &Pipeline, person: u32) -> Result<()> {
    let (token, events) = (pipeline.token(person)?, visit(person, 0, "armchair", TRAFFIC.events));
    pipeline.send(&reqwest::Client::new(), &token, &events, LIMIT).await.map(drop)
}

/// How many records a topic has; none while it is not there.
async fn count(bootstrap: &str, topic: &str) -> usize {
    consume_all(bootstrap, topic, false).await.map_or(0, |messages| messages.len())
}
