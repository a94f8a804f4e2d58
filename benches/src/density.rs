//! Many connectors that have nothing to do: what they cost to start, to keep, and the next one that is posted among them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tributary_tests::{Kafka, RestClient, RunFolder, create_topic, unique, wait_until};

use crate::peer::{Kind, Peer};
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(600);
/// How long everything is left alone before, and while, idleness is measured.
const SETTLE: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(20);
/// How many of the last connectors posted are watched until they run.
const WATCHED: usize = 50;

/// Which connectors.
#[derive(Clone, Copy)]
enum Side {
    Sources,
    Sinks,
}

/// Idle sources, then idle sinks.
pub(crate) async fn run(kafka: &Kafka, kind: Kind, sources: usize, sinks: usize, report: &mut Report) -> Result<()> {
    measure(kafka, kind, Side::Sources, sources, report).await?;
    measure(kafka, kind, Side::Sinks, sinks, report).await
}

async fn measure(kafka: &Kafka, kind: Kind, side: Side, count: usize, report: &mut Report) -> Result<()> {
    let (folder, topic) = (RunFolder::new("density")?, unique("density"));
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let mut peer = Peer::start_as_shipped(kafka, kind).await?;
    let config = |number: usize| -> Result<Value> {
        let file = folder.path().join(format!("{number}.txt"));
        fs::write(&file, "one line\n")?;
        Ok(match side {
            Side::Sources => json!({"connector.class": "FileStreamSource", "file": file, "topic": topic}),
            Side::Sinks => json!({"connector.class": "FileStreamSink", "file": file, "topics": topic}),
        })
    };
    let what = match side {
        Side::Sources => format!("{count} idle FileStreamSources"),
        Side::Sinks => format!("{count} idle FileStreamSinks"),
    };
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let posting = Instant::now();
    for number in 0..count {
        let begun = Instant::now();
        let body = json!({"name": format!("c-{number}"), "config": config(number)?});
        let answer = peer.rest().post("/connectors", &body).await?;
        ensure!(answer.status == 201, "POST answered {}: {}", answer.status, answer.text);
        if number + WATCHED >= count {
            running(&peer.rest(), &format!("c-{number}")).await?;
            latencies.saturating_record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    let posted = posting.elapsed().as_secs_f64() * 1e3 / count as f64;
    let add = |report: &mut Report, figure: &str, unit, digits, value| {
        report.add(&format!("{what}, {figure}"), kind.name(), unit, digits, value);
    };
    add(report, "each POST", "ms", 1, posted);
    for (share, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let ms = latencies.value_at_quantile(quantile) as f64 / 1e3;
        add(report, &format!("POST to RUNNING among them, {share}"), "ms", 1, ms);
    }
    all_running(&peer.rest(), count).await?;
    let begun = Instant::now();
    peer.restart().await?;
    let up = begun.elapsed();
    all_running(&peer.rest(), count).await?;
    let running = peer.startup() + begun.elapsed().saturating_sub(up);
    add(report, "start to all RUNNING", "s", 1, running.as_secs_f64());
    tokio::time::sleep(SETTLE).await;
    let before = peer.usage()?;
    tokio::time::sleep(IDLE).await;
    let after = peer.usage()?;
    add(report, "memory", "MB", 0, after.rss_bytes as f64 / 1e6);
    add(report, "threads", "", 0, after.threads as f64);
    add(report, "CPU while idle", "% of a core", 1, (after.cpu - before.cpu).as_secs_f64() / IDLE.as_secs_f64() * 1e2);
    peer.stop().await
}

/// Asks without a pause: this is the clock.
async fn running(rest: &RestClient, name: &str) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = rest.get(&format!("/connectors/{name}/status")).await?.json();
        if status["connector"]["state"] == "RUNNING" && status["tasks"][0]["state"] == "RUNNING" {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{name} does not run: {status}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn all_running(rest: &RestClient, count: usize) -> Result<()> {
    wait_until(LIMIT, "all connectors to run", || async {
        let Ok(answer) = rest.get("/connectors?expand=status").await else { return false };
        let listed = answer.json();
        let Some(connectors) = listed.as_object() else { return false };
        let runs = |one: &Value| one["state"] == "RUNNING";
        let all = |connector: &Value| {
            let status = &connector["status"];
            let tasks = status["tasks"].as_array();
            runs(&status["connector"]) && tasks.is_some_and(|tasks| tasks.len() == 1 && tasks.iter().all(runs))
        };
        connectors.len() == count && connectors.values().all(all)
    })
    .await
}
