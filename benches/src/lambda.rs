//! The Lambda sink against a loop as one writes it by hand: a consumer for each partition that invokes the function with
//! twenty records at a time. Both against the same front, whose function only counts.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use lambda_front::{Function, Functions, LambdaFront, Reply};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Timestamp};
use serde_json::{Value, json};
use tributary_tests::{Kafka, Usage, create_topic, unique, wait_until};

use crate::ceiling::fill;
use crate::lines::Lines;
use crate::measure::Stopwatch;
use crate::peer::{Kind, Peer};
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(300);
const PARTITIONS: i32 = 4;
const BATCH: usize = 20;
const BY_HAND: &str = "by hand";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Invokes a function with the records of a topic, in rounds.
pub(crate) async fn run(kafka: &Kafka, rounds: usize, records: usize, report: &mut Report) -> Result<()> {
    let (lines, topic) = (Lines::write(records)?, unique("lambda"));
    create_topic(&kafka.bootstrap(), &topic, PARTITIONS).await?;
    fill(&kafka.bootstrap(), &topic, &lines).await?;
    for _ in 0..rounds {
        by_hand(kafka, &topic, records, report).await?;
        by_connector(kafka, &topic, records, report).await?;
    }
    Ok(())
}

/// A front whose function counts records by the name of a field that each has once.
struct Counter {
    front: LambdaFront,
    seen: Arc<AtomicUsize>,
    /// When it was invoked for the first time: joining a group takes longer than starting a loop, and is not the question.
    first: Arc<OnceLock<Instant>>,
}

impl Counter {
    async fn start() -> Result<Self> {
        let seen = Arc::<AtomicUsize>::default();
        let first = Arc::<OnceLock<Instant>>::default();
        let (count, begun) = (Arc::clone(&seen), Arc::clone(&first));
        let function = Function::inline(move |event| {
            begun.get_or_init(Instant::now);
            let records = event.payload.windows(10).filter(|window| *window == b"{\"payload\"").count();
            count.fetch_add(records, Ordering::Relaxed);
            async { Reply::Response("null".into()) }
        });
        let functions = Functions::new().account_concurrency(100).keep(0).with("count", function);
        Ok(Self { front: LambdaFront::start(functions).await?, seen, first })
    }

    /// Waits for so many records; answers how long they took from the first on.
    async fn wait_for(&self, records: usize) -> Result<Duration> {
        wait_until(LIMIT, "all records at the function", || async { self.seen.load(Ordering::Relaxed) >= records })
            .await?;
        ensure!(self.seen.load(Ordering::Relaxed) == records, "the function has seen records twice");
        Ok(self.first.get().context("the function was not invoked")?.elapsed())
    }
}

async fn by_connector(kafka: &Kafka, topic: &str, records: usize, report: &mut Report) -> Result<()> {
    let (peer, counter) = (Peer::start(kafka, Kind::Tributary).await?, Counter::start().await?);
    let config = json!({
        "connector.class": "io.confluent.connect.aws.lambda.AwsLambdaSinkConnector", "tasks.max": "1", "topics": topic,
        "key.converter": STRING, "value.converter": JSON, "value.converter.schemas.enable": "false",
        "aws.lambda.function.name": "count", "aws.lambda.region": "us-east-1", "aws.access.key.id": "key",
        "aws.secret.access.key": "secret", "aws.lambda.endpoint.url": counter.front.url(),
        "aws.lambda.batch.size": BATCH.to_string(),
    });
    let watch = Stopwatch::start(&peer)?;
    // A name of its own: the group of the round before has read all.
    peer.rest().put_connector(&unique("bench-lambda"), &config).await?;
    let wall = counter.wait_for(records).await?;
    let took = watch.stop(&peer)?;
    add(report, Kind::Tributary.name(), records, wall, took.cpu, took.peak_rss_bytes);
    peer.stop().await
}

async fn by_hand(kafka: &Kafka, topic: &str, records: usize, report: &mut Report) -> Result<()> {
    let counter = Counter::start().await?;
    let mut child = KillOnDrop(
        Command::new(std::env::current_exe()?)
            .args(["--lambda-loop", &kafka.bootstrap(), topic, &counter.front.url()])
            .spawn()
            .context("start the loop")?,
    );
    let wall = counter.wait_for(records).await?;
    let usage = Usage::of(child.0.id())?;
    add(report, BY_HAND, records, wall, usage.cpu, usage.peak_rss_bytes);
    child.0.kill()?;
    Ok(())
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn add(report: &mut Report, who: &str, records: usize, wall: Duration, cpu: Duration, rss: u64) {
    let thousands = records as f64 / 1e3;
    report.add("Lambda sink, a second", who, "k records", 1, thousands / wall.as_secs_f64());
    report.add("Lambda sink, a CPU second", who, "k records", 1, thousands / cpu.as_secs_f64());
    report.add("Lambda sink, peak memory", who, "MB", 0, rss as f64 / 1e6);
}

/// The loop by hand, in a process of its own: broker, topic and endpoint.
pub(crate) async fn run_loop(arguments: &[String]) -> Result<()> {
    let [bootstrap, topic, endpoint] = arguments else {
        anyhow::bail!("the loop needs a broker, a topic and an endpoint")
    };
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(Credentials::new("key", "secret", None, None, "bench"))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .build();
    let (client, group) = (Client::from_conf(config), unique("by-hand"));
    let mut partitions = tokio::task::JoinSet::new();
    for partition in 0..PARTITIONS {
        let (client, bootstrap, topic, group) = (client.clone(), bootstrap.clone(), topic.clone(), group.clone());
        partitions.spawn_blocking(move || follow(&client, &bootstrap, &topic, partition, &group));
    }
    while let Some(ended) = partitions.join_next().await {
        ended??;
    }
    Ok(())
}

/// Follows one partition until the process is killed.
fn follow(client: &Client, bootstrap: &str, topic: &str, partition: i32, group: &str) -> Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning)?;
    consumer.assign(&list)?;
    let (mut committed, mut batch) = (Instant::now(), Vec::with_capacity(BATCH));
    loop {
        let wait = if batch.is_empty() { Duration::from_secs(1) } else { Duration::ZERO };
        let message = consumer.poll(wait).transpose()?;
        let ended = message.is_none();
        let mut next = None;
        if let Some(message) = message {
            let value: Value = serde_json::from_slice(message.payload().context("a record without a value")?)?;
            let timestamp = match message.timestamp() {
                Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => Some(at),
                Timestamp::NotAvailable => None,
            };
            let key = message.key().map(String::from_utf8_lossy);
            let (topic, offset) = (message.topic(), message.offset());
            batch.push(json!({"payload": {"timestamp": timestamp, "topic": topic, "partition": partition,
                                          "offset": offset, "key": key, "value": value}}));
            next = Some(offset + 1);
        }
        if batch.is_empty() || (!ended && batch.len() < BATCH) {
            continue;
        }
        let event = serde_json::to_vec(&batch)?;
        let answer = runtime.block_on(client.invoke().function_name("count").payload(Blob::new(event)).send())?;
        ensure!(answer.function_error.is_none(), "the function failed");
        batch.clear();
        if let Some(next) = next.filter(|_| committed.elapsed() >= Duration::from_secs(1)) {
            committed = Instant::now();
            let mut done = TopicPartitionList::new();
            done.add_partition_offset(topic, partition, Offset::Offset(next))?;
            consumer.commit(&done, CommitMode::Async)?;
        }
    }
}
