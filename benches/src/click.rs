//! From the POST of a click to the offer on the session's stream, at a steady rate that does not wait for answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::StreamExt as _;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, Pipeline, RestClient, Tributary, WorkerOptions, create_topic_with, end_offsets, unique, wait_until,
};

use crate::report::Report;

/// People with an open stream; each gets every one of these clicks answered by an offer.
const PEOPLE: u32 = 50;
/// Clicks that are not counted. The broker's virtual machine compiles its code meanwhile: before, that takes a quarter of
/// two cores, and the figures would be its own.
const WARM_UP: Duration = Duration::from_secs(40);
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A rule without a cap, so that every click has an offer.
const RULES: &str = "line_of_business: bench\nversion: 1\nconsent: marketing\noffers:\n  - id: always\n    on: [product_view]\n    when: event.type == \
                     'product_view'\n    priority: 1\n    value: 1\n    expires_in: PT1H\n    voucher: {code: BENCH, title: \
                     bench, text: bench}\n";

type Waiting = Arc<Mutex<BTreeMap<String, Instant>>>;

/// What else runs meanwhile.
#[derive(Clone, Copy)]
enum OtherLoad<'a> {
    Nothing,
    /// In the same worker a FileStreamSource that is given lines as fast as it takes them.
    BusySource,
    /// The same source in another worker, on the same machine and broker: then only these are shared.
    BusyWorker(&'a Kafka),
}

/// On real Kafka, exactly once, while a FileStreamSource works at full speed in the same worker, then in another one:
/// what the first adds to the second is the cost of tasks that share a worker.
pub(crate) async fn run_beside_source(kafka: &Kafka, rate: u64, seconds: u64, report: &mut Report) -> Result<()> {
    for (who, other_load) in [
        ("Kafka, beside a busy source", OtherLoad::BusySource),
        ("Kafka, other_load another worker's busy source", OtherLoad::BusyWorker(kafka)),
    ] {
        let on_kafka = WorkerOptions::on_kafka(kafka, &unique("bench-click")).set("embedded.store.enable", "true");
        measure(who, on_kafka, other_load, rate, seconds, report).await?;
    }
    Ok(())
}

/// On real Kafka, exactly once, then on the embedded broker.
pub(crate) async fn run(kafka: &Kafka, rate: u64, seconds: u64, report: &mut Report) -> Result<()> {
    let on_kafka = WorkerOptions::on_kafka(kafka, &unique("bench-click")).set("embedded.store.enable", "true");
    measure("Kafka, exactly once", on_kafka, OtherLoad::Nothing, rate, seconds, report).await?;
    measure("embedded broker", WorkerOptions::embedded(), OtherLoad::Nothing, rate, seconds, report).await
}

async fn measure(
    who: &str,
    options: WorkerOptions,
    other_load: OtherLoad<'_>,
    rate: u64,
    seconds: u64,
    report: &mut Report,
) -> Result<()> {
    let pipeline = Arc::new(Pipeline::new(PEOPLE)?);
    std::fs::write(pipeline.configs().join("rules/demo.yaml"), RULES)?;
    let options = pipeline.options(options).set("embedded.store.port", "0").set("demo.shop.enable", "false");
    let mut worker = Tributary::start(options).await?;
    for name in ["clicks", "personalize", "offers"] {
        worker.rest().wait_running(name, 1, Duration::from_secs(60)).await?;
    }
    let other = match other_load {
        OtherLoad::BusyWorker(kafka) => {
            Some(Tributary::start(WorkerOptions::on_kafka(kafka, &unique("bench-busy"))).await?)
        }
        OtherLoad::Nothing | OtherLoad::BusySource => None,
    };
    let busy = match other_load {
        OtherLoad::Nothing => None,
        OtherLoad::BusySource | OtherLoad::BusyWorker(_) => Some(busy_source(other.as_ref().unwrap_or(&worker)).await?),
    };
    let waiting = Waiting::default();
    let latencies = Arc::new(Mutex::new(Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?));
    let mut streams = tokio::task::JoinSet::new();
    for person in 0..PEOPLE {
        let token = pipeline.token(person)?;
        let listen = listen(pipeline.url("/events"), token, Arc::clone(&waiting), Arc::clone(&latencies));
        streams.spawn(listen);
    }
    click(&pipeline, rate, WARM_UP, &waiting).await?;
    settle(&waiting).await?;
    latencies.lock().reset();
    let (before, begun) = (worker.usage()?, Instant::now());
    let lines_before = lines(&worker, busy.as_deref()).await?;
    let sent = click(&pipeline, rate, Duration::from_secs(seconds), &waiting).await?;
    settle(&waiting).await?;
    let cpu = worker.usage()?.cpu - before.cpu;
    let lines = (lines(&worker, busy.as_deref()).await? - lines_before) as f64 / begun.elapsed().as_secs_f64();
    streams.abort_all();
    let latencies = latencies.lock().clone();
    let what = |share: &str| format!("click to offer at {rate}/s, {share}");
    for (share, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let ms = latencies.value_at_quantile(quantile) as f64 / 1e3;
        report.add(&what(share), who, "ms", 1, ms);
    }
    report.add(&what("offers received"), who, "of clicks", 3, latencies.len() as f64 / sent as f64);
    report.add(&what("CPU"), who, "of a core", 2, cpu.as_secs_f64() / seconds as f64);
    report.add(&what("peak memory"), who, "MB", 0, worker.usage()?.peak_rss_bytes as f64 / 1e6);
    if busy.is_some() {
        report.add(&what("the source's lines a second"), who, "k", 0, lines / 1e3);
    }
    report_state(&worker.rest()).await?;
    worker.stop().await
}

/// A named pipe with a writer that never waits, and a source that reads it; returns its topic.
async fn busy_source(worker: &Tributary) -> Result<String> {
    let pipe = worker.folder().join("lines.pipe");
    anyhow::ensure!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success(), "mkfifo failed");
    let topic = unique("busy");
    create_topic_with(&worker.bootstrap(), &topic, 1, &[("retention.bytes", "100000000")]).await?;
    let config = json!({
        "connector.class": "FileStreamSource", "file": pipe, "topic": topic, "tasks.max": "1",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    worker.rest().put_connector("busy", &config).await?;
    // Ends with the worker, which has the other end of the pipe.
    std::thread::spawn(move || {
        let lines =
            "a line of some hundred bytes, as long as those of the other benches, so that figures can be compared\n";
        let lines = lines.repeat(1000);
        let Ok(mut pipe) = std::fs::File::options().write(true).open(pipe) else { return };
        while std::io::Write::write_all(&mut pipe, lines.as_bytes()).is_ok() {}
    });
    worker.rest().wait_running("busy", 1, Duration::from_secs(60)).await?;
    Ok(topic)
}

/// How many lines a busy source has written by now.
async fn lines(worker: &Tributary, topic: Option<&str>) -> Result<i64> {
    let Some(topic) = topic else { return Ok(0) };
    Ok(end_offsets(&worker.bootstrap(), topic).await?.values().sum())
}

/// Sends at fixed times; a click's time runs from when it should have been sent, so that a stall is seen in full.
async fn click(pipeline: &Arc<Pipeline>, rate: u64, time: Duration, waiting: &Waiting) -> Result<u64> {
    let client = reqwest::Client::builder().timeout(TEST_TIMEOUT).build()?;
    let tokens: Vec<String> = (0..PEOPLE).map(|person| pipeline.token(person)).collect::<Result<_>>()?;
    let clicks = rate * time.as_secs();
    let begun = Instant::now();
    let mut posts = tokio::task::JoinSet::new();
    for number in 0..clicks {
        let due = begun + Duration::from_nanos(number * 1_000_000_000 / rate);
        tokio::time::sleep_until(due.into()).await;
        let id = unique(&format!("click-{number}"));
        waiting.lock().insert(id.clone(), due);
        let event =
            json!({"event_id": id, "type": "product_view", "page_id": id, "product_id": "armchair", "url": "/"});
        let token = tokens[(number % u64::from(PEOPLE)) as usize].clone();
        let post = client.post(pipeline.url("/collect")).bearer_auth(token).body(event.to_string());
        posts.spawn(async move { post.header("content-type", "application/json").send().await?.error_for_status() });
        while let Some(post) = posts.try_join_next() {
            post?.context("a click was refused")?;
        }
    }
    while let Some(post) = posts.join_next().await {
        post?.context("a click was refused")?;
    }
    Ok(clicks)
}

async fn listen(url: String, token: String, waiting: Waiting, latencies: Arc<Mutex<Histogram<u64>>>) -> Result<()> {
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await?.error_for_status()?;
    let (mut stream, mut text) = (answer.bytes_stream(), String::new());
    while let Some(bytes) = stream.next().await {
        let now = Instant::now();
        text.push_str(&String::from_utf8_lossy(&bytes?));
        while let Some(end) = text.find('\n') {
            let line: String = text.drain(..=end).collect();
            let Some(data) = line.strip_prefix("data:") else { continue };
            let Ok(offer) = serde_json::from_str::<Value>(data) else { continue };
            let Some(id) = offer["trigger_event_id"].as_str() else { continue };
            if let Some(due) = waiting.lock().remove(id) {
                let micros = u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX);
                latencies.lock().saturating_record(micros);
            }
        }
    }
    Ok(())
}

/// Waits for the offers that are still on their way; what never comes shows as offers received below one.
async fn settle(waiting: &Waiting) -> Result<()> {
    let none_left = || async { waiting.lock().is_empty() };
    if wait_until(TEST_TIMEOUT, "the last offers", none_left).await.is_err() {
        waiting.lock().clear();
    }
    Ok(())
}

async fn report_state(rest: &RestClient) -> Result<()> {
    let status = rest.get("/connectors/personalize/status").await?;
    anyhow::ensure!(status.json()["tasks"][0]["state"] == "RUNNING", "the processor failed: {}", status.text);
    Ok(())
}
