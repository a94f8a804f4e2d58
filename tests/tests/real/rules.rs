//! Rule packs that are replaced, refused, switched off and returned to over REST while clicks flow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, Pipeline, RestClient, Tier, Traffic, Tributary, WorkerOptions, consume_all, event_ids, require, unique,
    visit, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const TRAFFIC: Traffic = Traffic { people: 200, visits: 2, events: 10 };
const AFTERWARDS: u32 = TRAFFIC.people;
const PROBES: u32 = TRAFFIC.people + 1;
const AT: &str = "/connectors/personalize/transforms/personalize";

async fn put(rest: &RestClient, path: &str, body: &str) -> Result<(u16, Value)> {
    let answer = rest.send(Method::PUT, &format!("{AT}/{path}"), Some(body.to_owned())).await?;
    Ok((answer.status, answer.json()))
}

/// The versions in the enriched events of each partition, in order and without repetitions.
async fn versions(kafka: &Kafka) -> Result<BTreeMap<i32, Vec<i64>>> {
    let mut versions: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for message in consume_all(&kafka.bootstrap(), "clicks.enriched", true).await? {
        let event: Value = serde_json::from_str(&message.text())?;
        let version = event["ruleset_version"].as_i64().expect("an event without a version");
        let known = versions.entry(message.partition).or_default();
        if known.last() != Some(&version) {
            known.push(version);
        }
    }
    Ok(versions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_set_over_rest_takes_over_between_two_transactions() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    let pipeline = Arc::new(Pipeline::new(TRAFFIC.people + 2)?);
    pipeline.without("raw-to-s3")?;
    pipeline.without("enriched-to-s3")?;
    let demo = std::fs::read_to_string(pipeline.configs().join("rules/demo.yaml"))?;
    let version = |number: u32| demo.replace("version: 1", &format!("version: {number}"));
    let options = pipeline.options(WorkerOptions::on_kafka(&kafka, &unique("rules")));
    let mut worker = Tributary::start(options).await?;
    let rest = worker.rest();
    pipeline.running(&rest, LIMIT).await?;
    let packs = rest.get(&format!("{AT}/rules")).await?.success()?;
    assert_eq!((&packs["packs"][0]["name"], &packs["packs"][0]["version"]), (&json!("demo"), &json!(1)), "{packs}");

    let flow = TRAFFIC.start_at(400, &pipeline, LIMIT);
    flow.reached(TRAFFIC.clicks() / 4, LIMIT).await?;
    // Each look sends an event of its own, so that there is one after the change.
    let probes = AtomicU32::new(0);
    let seen = async |wanted: i64| {
        let events = visit(PROBES, probes.fetch_add(1, Ordering::Relaxed), "lamp", 1);
        let (client, token) = (reqwest::Client::new(), pipeline.token(PROBES).unwrap_or_default());
        let sent = pipeline.send(&client, &token, &events, LIMIT).await.is_ok();
        sent && versions(&kafka).await.is_ok_and(|all| all.values().all(|of| of.last() == Some(&wanted)))
    };
    wait_until(LIMIT, "events of the file's pack", || seen(1)).await?;
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let (status, answer) = put(&rest, "rules/demo", &version(2)).await?;
    assert_eq!((status, &answer["version"]), (201, &json!(2)), "{answer}");
    wait_until(LIMIT, "events of the second version", || seen(2)).await?;
    let first = first_of(&kafka, 2).await?;
    println!("the first event of the second version was received {} ms after the request began", first - begun as i64);

    // One that is wrong is refused, and says where.
    let wrong = version(3).replace("signal.lingering_return", "signal.lurking");
    let (status, answer) = put(&rest, "rules/demo", &wrong).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!(status, 422, "{answer}");
    assert!(message.contains("offer come-back-10") && message.contains("signal lurking is unknown"), "{message}");
    assert_eq!(put(&rest, "rules/demo", &version(2).replace("priority: 50", "priority: 51")).await?.0, 409);
    assert_eq!(put(&rest, "rules/other", &version(3)).await?.0, 422);

    assert_eq!(put(&rest, "rules/demo", &version(4)).await?.0, 200);
    wait_until(LIMIT, "events of the fourth version", || seen(4)).await?;
    assert_eq!(put(&rest, "rules/demo/active", "{\"version\": 2}").await?.0, 200);
    wait_until(LIMIT, "events of the second version again", || seen(2)).await?;
    flow.finish().await?;
    let sent = TRAFFIC.clicks() + probes.load(Ordering::Relaxed) as usize;
    let enriched = || async { enriched_ids(&kafka).await.is_ok_and(|ids| ids.len() == sent) };
    wait_until(LIMIT, "every click enriched", enriched).await?;
    for (partition, versions) in versions(&kafka).await? {
        assert_eq!(versions, [1, 2, 4, 2], "partition {partition} has the versions in another order, or mixed");
    }
    assert!(enriched_ids(&kafka).await?.values().all(|count| *count == 1), "a click was enriched twice");

    // All off: somebody lingers and gets nothing. After a restart it is still off, and the version is the same.
    assert_eq!(put(&rest, "switches/all", "{\"why\": \"a test\"}").await?.0, 204);
    worker.restart().await?;
    let rest = worker.rest();
    pipeline.running(&rest, LIMIT).await?;
    let switches = rest.get(&format!("{AT}/switches")).await?.success()?;
    assert!(switches["all"].as_str().is_some_and(|why| why.contains("a test")), "{switches}");
    let before = consume_all(&kafka.bootstrap(), "offers", true).await?.len();
    linger(&pipeline, 0).await?;
    let decided = || async { reasons(&kafka).await.is_ok_and(|all| all.contains(&"switched_off".to_owned())) };
    wait_until(LIMIT, "a decision that says it is switched off", decided).await?;
    assert_eq!(consume_all(&kafka.bootstrap(), "offers", true).await?.len(), before);
    assert_eq!(rest.delete(&format!("{AT}/switches/all")).await?.status, 204);
    // Only when the task has seen it: the visit may be over before.
    let on = || async {
        let events = visit(PROBES, probes.fetch_add(1, Ordering::Relaxed), "lamp", 1);
        let (client, token) = (reqwest::Client::new(), pipeline.token(PROBES).unwrap_or_default());
        let sent = pipeline.send(&client, &token, &events, LIMIT).await.is_ok();
        sent && reasons(&kafka).await.is_ok_and(|all| all.last().is_some_and(|last| last != "switched_off"))
    };
    wait_until(LIMIT, "a decision with everything on", on).await?;
    linger(&pipeline, 1).await?;
    let offered =
        || async { consume_all(&kafka.bootstrap(), "offers", true).await.is_ok_and(|offers| offers.len() > before) };
    wait_until(LIMIT, "an offer of the pack", offered).await?;
    let versions = rest.get(&format!("{AT}/rules/demo/versions")).await?.success()?;
    let kept = json!([{"version": 4, "active": false}, {"version": 2, "active": true}]);
    assert_eq!(versions, kept);
    worker.stop().await
}

/// When the first event of a version was received.
async fn first_of(kafka: &Kafka, version: i64) -> Result<i64> {
    let messages = consume_all(&kafka.bootstrap(), "clicks.enriched", true).await?;
    let events: Vec<Value> =
        messages.iter().map(|message| serde_json::from_str(&message.text())).collect::<Result<_, _>>()?;
    let of_version = events.iter().filter(|event| event["ruleset_version"] == version);
    of_version.filter_map(|event| event["received_at"].as_i64()).min().context("no event of the version")
}

async fn enriched_ids(kafka: &Kafka) -> Result<BTreeMap<String, usize>> {
    event_ids(&consume_all(&kafka.bootstrap(), "clicks.enriched", true).await?)
}

async fn reasons(kafka: &Kafka) -> Result<Vec<String>> {
    let decisions = consume_all(&kafka.bootstrap(), "decisions", true).await?;
    let reason = |text: String| Ok(serde_json::from_str::<Value>(&text)?["reason"].as_str().unwrap_or("").to_owned());
    decisions.iter().map(|decision| reason(decision.text())).collect()
}

/// A visit of the person without an offer so far, with events of its own each time.
async fn linger(pipeline: &Pipeline, time: u32) -> Result<()> {
    let events = visit(AFTERWARDS, time, "armchair", 6);
    pipeline.send(&reqwest::Client::new(), &pipeline.token(AFTERWARDS)?, &events, LIMIT).await.map(drop)
}
