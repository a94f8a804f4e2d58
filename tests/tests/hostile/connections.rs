//! Connections that want nothing, a thousand on each HTTP listener, under a usual limit of open files.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tributary_tests::{Pipeline, WorkerOptions};

use crate::target::{LIMIT, Target};

/// What most systems and shells start a process with.
const DESCRIPTORS: u32 = 1_024;
const CONNECTIONS: usize = 1_000;
/// Below the listeners' shortest deadline: answers within this time did not wait for it to pass.
const PROMPTLY: Duration = Duration::from_secs(6);
/// How often so many connections are made to a listener until the answers are prompt: a machine that stands still delays them
/// once.
const ROUNDS: usize = 5;
/// Lines that may be logged of all that.
const LINES: usize = 200;

/// What the connections say before they fall silent: nothing, half of a request's headers, and HTTP/2 without a request.
const BEGINNINGS: [&[u8]; 3] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: h\r\nX-Half",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
];

#[tokio::test]
async fn a_thousand_idle_connections_do_not_block_others() -> Result<()> {
    tributary_listener::raise_descriptor_limit()?;
    let pipeline = Pipeline::new(1)?;
    let store = tributary_tests::free_port()?;
    let options = WorkerOptions::embedded().max_descriptors(DESCRIPTORS).set("embedded.store.port", store.to_string());
    let mut target = Target::of(pipeline.options(options).set("demo.shop.enable", "true")).await?;
    pipeline.running(&target.rest(), LIMIT).await?;
    let website = pipeline.url("/");
    let shop = format!("http://127.0.0.1:{}/", target.worker.shop_port());
    let regular = RegularClient { rest: format!("{}/", target.rest().base()), shop, pipeline: &pipeline };
    regular.all_are_answered("before").await?;
    let lines_before = target.worker.log().lines().count();

    let mut held = Vec::new();
    for url in [&website, &regular.rest, &regular.shop, &format!("http://127.0.0.1:{store}/")] {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut prompt = false;
        for _ in 0..ROUNDS {
            for number in 0..CONNECTIONS {
                let mut stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
                // Some are cut off already to make room.
                let _ = stream.write_all(BEGINNINGS[number % BEGINNINGS.len()]).await;
                held.push(stream);
            }
            let asked = Instant::now();
            regular.all_are_answered(&format!("beside {CONNECTIONS} connections to {address}")).await?;
            prompt = asked.elapsed() < PROMPTLY;
            if prompt {
                break;
            }
        }
        ensure!(
            prompt,
            "regular requests are answered only when the connections to {address} have reached their deadline"
        );
    }
    for (number, stream) in held.iter_mut().enumerate() {
        // What it says last does not matter, and a reset is an end as well.
        let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await;
        ensure!(ended.is_ok(), "connection {number} is never closed");
    }
    regular.all_are_answered("after").await?;
    let lines = target.worker.log().lines().count() - lines_before;
    ensure!(lines < LINES, "{lines} lines were logged");
    target.holds().await
}

/// A client that sends ordinary requests and waits for each answer.
struct RegularClient<'a> {
    rest: String,
    shop: String,
    pipeline: &'a Pipeline,
}

impl RegularClient<'_> {
    async fn all_are_answered(&self, when: &str) -> Result<()> {
        // A new connection for each request, as for a new visitor.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(LIMIT).build()?;
        for url in [&self.rest, &self.shop] {
            let answer = client.get(url).send().await.with_context(|| format!("{url} {when}"))?;
            ensure!(answer.status().is_success(), "{url} {when}: {}", answer.status());
        }
        let event = json!({"type": "page_view", "page_id": "p"});
        let sent = self.pipeline.send(&client, &self.pipeline.token(0)?, &[event], LIMIT).await;
        sent.with_context(|| format!("an event {when}")).map(drop)
    }
}
