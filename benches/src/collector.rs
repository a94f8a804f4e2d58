//! The collector against a bare loop, axum and rdkafka: clicks that the broker has acknowledged before the answer. Both
//! get the same requests over the same connections, each of which sends the next request when it has its answer.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use futures::future::try_join_all;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tributary_clickstream::session::{Session, Signer};
use tributary_tests::{Kafka, Usage, create_topic, end_offsets, free_port, unique, wait_until};

use crate::peer::{Kind, Peer};
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 64;
/// A page's first request has about so many events.
const BATCH: usize = 5;
const BARE: &str = "axum and rdkafka";
const SECRET: &str = "a secret of the bench only, of 32 bytes or more";
const PARTITIONS: i32 = 4;
/// In the year 2096.
const LATE_MS: i64 = 4_000_000_000_000;

/// Clicks a second, and a CPU second, in rounds.
pub(crate) async fn run(kafka: &Kafka, rounds: usize, seconds: u64, report: &mut Report) -> Result<()> {
    for _ in 0..rounds {
        bare(kafka, seconds, report).await?;
        connector(kafka, seconds, report).await?;
    }
    Ok(())
}

async fn connector(kafka: &Kafka, seconds: u64, report: &mut Report) -> Result<()> {
    let (topic, listen) = (unique("collector"), format!("127.0.0.1:{}", free_port()?));
    create_topic(&kafka.bootstrap(), &topic, PARTITIONS).await?;
    let peer = Peer::start(kafka, Kind::Tributary).await?;
    let config = json!({
        "connector.class": "tributary.ClickstreamSource", "tasks.max": "1", "topic": topic, "http.listen": listen,
        "session.secret": SECRET, "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
    });
    peer.rest().put_connector("bench-collector", &config).await?;
    peer.rest().wait_running("bench-collector", 1, LIMIT).await?;
    let server = Server { kafka, topic: &topic, listen: &listen, who: Kind::Tributary.name() };
    server.measure(seconds, || peer.usage(), report).await?;
    peer.stop().await
}

async fn bare(kafka: &Kafka, seconds: u64, report: &mut Report) -> Result<()> {
    let (topic, listen) = (unique("collector"), format!("127.0.0.1:{}", free_port()?));
    create_topic(&kafka.bootstrap(), &topic, PARTITIONS).await?;
    let child = Ended(
        Command::new(std::env::current_exe()?)
            .args(["--collector-loop", &kafka.bootstrap(), &topic, &listen])
            .spawn()
            .context("start the loop")?,
    );
    wait_until(LIMIT, "the loop", || async { TcpStream::connect(&listen).await.is_ok() }).await?;
    let server = Server { kafka, topic: &topic, listen: &listen, who: BARE };
    server.measure(seconds, || Usage::of(child.0.id()), report).await
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One that takes clicks into a topic.
struct Server<'a> {
    kafka: &'a Kafka,
    topic: &'a str,
    listen: &'a str,
    who: &'a str,
}

impl Server<'_> {
    async fn measure(&self, seconds: u64, usage: impl Fn() -> Result<Usage>, report: &mut Report) -> Result<()> {
        let request = request(self.listen)?;
        let warm = load(self.listen, &request, WARM_UP).await?;
        let (before, begun) = (usage()?.cpu, Instant::now());
        let clicks = load(self.listen, &request, Duration::from_secs(seconds)).await?;
        let (wall, cpu) = (begun.elapsed(), usage()?.cpu - before);
        let stored: i64 = end_offsets(&self.kafka.bootstrap(), self.topic).await?.values().sum();
        let acknowledged = warm + clicks;
        ensure!(usize::try_from(stored)? >= acknowledged, "{stored} of {acknowledged} acknowledged clicks are stored");
        let thousands = clicks as f64 / 1e3;
        report.add("collector, clicks a second", self.who, "k clicks", 1, thousands / wall.as_secs_f64());
        report.add("collector, clicks a CPU second", self.who, "k clicks", 1, thousands / cpu.as_secs_f64());
        Ok(())
    }
}

/// One visitor's request, whose cookie is valid for the connector; the loop does not look at it.
fn request(listen: &str) -> Result<Vec<u8>> {
    let token = Signer::new(SECRET)?.issue(&Session::of_customer("c-1001", LATE_MS)?);
    let event = json!({
        "type": "product_view", "event_id": "0199b2f0-6a1e-7c3d-8a55-2f4c1d9e7b60", "page_id": "p-1", "ts": 1_760_000_000_000_i64,
        "url": "https://shop.example.com/products/armchair", "product_id": "armchair", "title": "Armchair",
        "referrer": "https://shop.example.com/", "screen": {"width": 1920, "height": 1080},
    });
    let body = format!("{event}\n").repeat(BATCH);
    let head = format!(
        "POST /collect HTTP/1.1\r\nhost: {listen}\r\ncookie: tributary_session={token}\r\ncontent-type: \
         application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Ok([head, body].concat().into_bytes())
}

/// Sends for this long; answers how many clicks were acknowledged.
async fn load(listen: &str, request: &[u8], time: Duration) -> Result<usize> {
    let until = Instant::now() + time;
    let connections = (0..CONNECTIONS).map(|_| connection(listen, request, until));
    Ok(try_join_all(connections).await?.into_iter().sum::<usize>() * BATCH)
}

async fn connection(listen: &str, request: &[u8], until: Instant) -> Result<usize> {
    let mut stream = TcpStream::connect(listen).await?;
    stream.set_nodelay(true)?;
    let (mut answers, mut buffer) = (0, vec![0; 4096]);
    while Instant::now() < until {
        stream.write_all(request).await?;
        let mut length = 0;
        while !is_whole(&buffer[..length])? {
            ensure!(length < buffer.len(), "an answer is too long");
            let read = stream.read(&mut buffer[length..]).await?;
            ensure!(read > 0, "the server has closed");
            length += read;
        }
        ensure!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
        answers += 1;
    }
    Ok(answers)
}

/// Whether an answer has come to its end.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let text = std::str::from_utf8(answer)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    Ok(body.len() >= length.unwrap_or(0_usize))
}

struct Loop {
    producer: ThreadedProducer<Acknowledgements>,
    topic: String,
}

/// Tells the request of a record when it is acknowledged.
struct Acknowledgements;

impl ClientContext for Acknowledgements {}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<oneshot::Sender<bool>>;

    fn delivery(&self, result: &DeliveryResult<'_>, request: Self::DeliveryOpaque) {
        // The client may have gone.
        let _ = request.send(result.is_ok());
    }
}

/// The bare loop, in a process of its own: broker, topic and address.
pub(crate) async fn run_loop(arguments: &[String]) -> Result<()> {
    let [bootstrap, topic, listen] = arguments else {
        anyhow::bail!("the loop needs a broker, a topic and an address")
    };
    let producer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .create_with_context(Acknowledgements)?;
    let state = Arc::new(Loop { producer, topic: topic.clone() });
    let app = Router::new().route("/collect", post(collect)).with_state(state);
    axum::serve(TcpListener::bind(listen.as_str()).await?, app).await?;
    Ok(())
}

/// Each line is a record. Nothing is parsed.
async fn collect(State(state): State<Arc<Loop>>, body: Bytes) -> (StatusCode, &'static str) {
    let mut waiting = Vec::new();
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let (request, acknowledged) = oneshot::channel();
        let record = BaseRecord::with_opaque_to(&state.topic, Box::new(request)).key("c-1001").payload(line);
        if state.producer.send(record).is_err() {
            return (StatusCode::SERVICE_UNAVAILABLE, "");
        }
        waiting.push(acknowledged);
    }
    match try_join_all(waiting).await {
        Ok(outcomes) if outcomes.iter().all(|is_stored| *is_stored) => (StatusCode::OK, "{}"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, ""),
    }
}
