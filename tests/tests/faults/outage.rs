//! The broker is away, or frozen, or the worker itself is, while a file source and a file sink are at work and an operator
//! asks for something: nothing is lost, the order is kept, no task fails, and what was asked is done or refused.
//!
//! `TRIBUTARY_TEST_OUTAGE_S` makes the outages longer than 25 s.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tributary_tests::process::signal;
use tributary_tests::{
    Answer, Kafka, RestClient, RunFolder, Tier, Tributary, WorkerOptions, committed_offsets, create_topic, end_offsets,
    require, wait_until,
};

use crate::writer::Writer;

const OUTAGE: &str = "TRIBUTARY_TEST_OUTAGE_S";
pub(crate) const TOPIC: &str = "outage";
pub(crate) const LIMIT: Duration = Duration::from_secs(180);
/// For how long the REST client of the tests waits at least.
const ANSWER: Duration = Duration::from_secs(90);

fn outage() -> Duration {
    let asked = std::env::var(OUTAGE).ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(25))
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_sinks_and_topics_survive_a_broker_that_is_killed() -> Result<()> {
    let Some(mut run) = Run::start().await? else { return Ok(()) };
    run.kafka.kill9().await?;
    let asked = run.ask_for_something();
    tokio::time::sleep(outage()).await;
    run.kafka.restart().await?;
    run.survived(asked.await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_sinks_and_topics_survive_a_broker_that_is_frozen() -> Result<()> {
    let Some(run) = Run::start().await? else { return Ok(()) };
    signal(run.kafka.pid(), "STOP")?;
    let asked = run.ask_for_something();
    tokio::time::sleep(outage()).await;
    signal(run.kafka.pid(), "CONT")?;
    run.survived(asked.await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_sinks_and_topics_survive_a_worker_that_is_frozen() -> Result<()> {
    let Some(mut run) = Run::start().await? else { return Ok(()) };
    run.is_unanswered_for_long = outage() >= ANSWER;
    signal(run.worker.pid(), "STOP")?;
    let asked = run.ask_for_something();
    tokio::time::sleep(outage()).await;
    signal(run.worker.pid(), "CONT")?;
    run.survived(asked.await?).await
}

/// A source and a sink with lines on their way.
pub(crate) struct Run {
    pub(crate) kafka: Kafka,
    pub(crate) worker: Tributary,
    writer: Writer,
    out: PathBuf,
    /// A client gives up before a worker that is frozen for so long can answer.
    is_unanswered_for_long: bool,
    _folder: RunFolder,
}

impl Run {
    async fn start() -> Result<Option<Self>> {
        if !require(Tier::RealKafka)? {
            return Ok(None);
        }
        let kafka = Kafka::start().await?;
        create_topic(&kafka.bootstrap(), TOPIC, 1).await?;
        let options = WorkerOptions::on_kafka(&kafka, "outage");
        Self::of(kafka, options).await.map(Some)
    }

    /// A worker with these options on a broker that has the topic.
    pub(crate) async fn of(kafka: Kafka, options: WorkerOptions) -> Result<Self> {
        let folder = RunFolder::new("outage")?;
        let writer = Writer::start(&folder.path().join("in.txt"), 1)?;
        let out = folder.path().join("out.txt");
        let worker = Tributary::start(options.set("offset.flush.interval.ms", "500")).await?;
        let rest = worker.rest();
        let lines = json!({"connector.class": "FileStreamSource", "file": writer.file, "topic": TOPIC});
        rest.put_connector("lines", &lines).await?;
        rest.put_connector("copy", &sink(&out)).await?;
        rest.put_connector("paused", &sink(&folder.path().join("paused.txt"))).await?;
        for name in ["lines", "copy", "paused"] {
            rest.wait_running(name, 1, LIMIT).await?;
        }
        wait_until(LIMIT, "lines on their way", || async {
            fs::read_to_string(&out).is_ok_and(|all| all.len() > 1_000)
        })
        .await?;
        Ok(Self { kafka, worker, writer, out, is_unanswered_for_long: false, _folder: folder })
    }

    /// A connector is created and another one paused while the topics are unavailable.
    pub(crate) fn ask_for_something(&self) -> impl Future<Output = Result<[Result<Answer>; 2]>> + use<> {
        let (rest, file) = (self.worker.rest(), self.out.with_extension("new"));
        let mut asked = JoinSet::new();
        asked.spawn(async move {
            let created = json!({"name": "created", "config": sink(&file)});
            let (create, pause) =
                tokio::join!(rest.post("/connectors", &created), rest.put("/connectors/paused/pause", &Value::Null));
            [create, pause]
        });
        async move { asked.join_next().await.context("ask the worker")?.context("ask the worker") }
    }

    pub(crate) async fn survived(mut self, [create, pause]: [Result<Answer>; 2]) -> Result<()> {
        let rest = self.worker.rest();
        let written = self.writer.end();
        wait_until(LIMIT, "the last line in the sink's file", || async {
            fs::read_to_string(&self.out).is_ok_and(|all| all.ends_with(&format!("line {}\n", written - 1)))
        })
        .await?;
        for (name, answer) in [("created", &create), ("paused", &pause)] {
            match answer {
                Ok(answer) => done_or_refused(&rest, name, answer).await?,
                Err(error) => ensure!(self.is_unanswered_for_long, "{name} was not answered: {error}"),
            }
        }
        for name in ["lines", "copy"] {
            rest.wait_running(name, 1, LIMIT).await?;
        }
        let log = self.worker.log();
        let failed: Vec<&str> = log.lines().filter(|line| line.contains("task failed")).collect();
        ensure!(failed.is_empty(), "tasks failed: {failed:?}");

        let length = fs::metadata(&self.writer.file)?.len();
        wait_until(LIMIT, "the offset of the last line stored", || async {
            let offsets = rest.get("/connectors/lines/offsets").await.map(|answer| answer.json()).unwrap_or_default();
            offsets["offsets"][0]["offset"]["position"] == length
        })
        .await?;
        let end = end_offsets(&self.kafka.bootstrap(), TOPIC).await?;
        wait_until(LIMIT, "the sink's last offset committed", || async {
            committed_offsets(&self.kafka.bootstrap(), "connect-copy", TOPIC).await.is_ok_and(|offsets| offsets == end)
        })
        .await?;
        in_order(&self.out, written)?;

        // The three topics say what was shown: a new life of the worker shows the same.
        let before = shown(&rest).await?;
        self.worker.restart().await?;
        wait_until(LIMIT, "the same states after a restart", || async {
            shown(&rest).await.is_ok_and(|after| after == before)
        })
        .await?;
        self.worker.stop().await
    }
}

/// What was asked either is so as a whole, or was refused with a reason and is as before.
async fn done_or_refused(rest: &RestClient, name: &str, answer: &Answer) -> Result<()> {
    let done = (200..300).contains(&answer.status);
    ensure!(done || answer.status >= 500 && !answer.text.is_empty(), "{}: {}", answer.status, answer.text);
    let what = format!("{name} as a whole after the answer {} {}", answer.status, answer.text);
    wait_until(LIMIT, &what, || async {
        let status = rest.get(&format!("/connectors/{name}/status")).await;
        let Ok(status) = status.map(|answer| answer.json()) else { return false };
        let (connector, task) = (&status["connector"]["state"], &status["tasks"][0]["state"]);
        match (name, done) {
            ("created", true) => connector == "RUNNING" && task == "RUNNING",
            ("paused", true) => connector == "PAUSED" && task == "PAUSED",
            // Its answer came too late: it may have come to be all the same.
            ("created", false) if status["error_code"] == 404 => true,
            _ => connector == task && (connector == "RUNNING" || connector == "PAUSED"),
        }
    })
    .await
}

async fn shown(rest: &RestClient) -> Result<Vec<(String, Value, Value)>> {
    let mut all = Vec::new();
    let names: Vec<String> = serde_json::from_value(rest.get("/connectors").await?.success()?)?;
    for name in names {
        let status = rest.get(&format!("/connectors/{name}/status")).await?.success()?;
        all.push((name, status["connector"]["state"].clone(), status["tasks"][0]["state"].clone()));
    }
    Ok(all)
}

/// Every line is there; repetitions begin at an earlier line, and no line is skipped.
fn in_order(file: &Path, written: u32) -> Result<()> {
    let mut seen = 0;
    for line in fs::read_to_string(file)?.lines() {
        let number: u32 = line.trim_start_matches("line ").parse()?;
        ensure!(number <= seen, "line {number} came before line {seen}");
        seen = seen.max(number + 1);
    }
    ensure!(seen == written, "{seen} of {written} lines");
    Ok(())
}

fn sink(file: &Path) -> Value {
    json!({"connector.class": "FileStreamSink", "topics": TOPIC, "file": file})
}
