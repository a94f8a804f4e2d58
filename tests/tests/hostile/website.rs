//! The website's port: clicks, and pages that listen.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tributary_clickstream::session::{Session, Signer};
use tributary_tests::{WorkerOptions, create_topic, free_port, produce};

use crate::target::{LIMIT, Target};

const SECRET: &str = "a secret of the tests only, of 32 bytes or more";
pub(crate) const EVENT: &str = r#"{"type":"page_view"}"#;
/// Requests sent together.
const AT_ONCE: usize = 24;
/// The memory that an attack may take, over what the worker had.
const MORE_BYTES: u64 = 64 << 20;
const OFFERS: &str = "offers";
/// The cursor of the topic's first record.
const OLDEST: &str = "d7d87cea.0.0";
/// Pages with a cursor listen as soon as others do, up to some factor, or within this time.
const AT_ONCE_LIMIT: Duration = Duration::from_secs(5);
/// Pages that come back at once. Their sockets are this process's too.
const PAGES: usize = 400;

/// The website's two connectors.
pub(crate) struct Website {
    target: Target,
    pub(crate) listen: String,
    client: reqwest::Client,
}

impl Website {
    async fn start() -> Result<Self> {
        Self::with(&[], &[], &[]).await
    }

    /// One whose connectors have these properties: both, the collector, the delivery.
    pub(crate) async fn with(
        both: &[(&str, &str)],
        collector: &[(&str, &str)],
        delivery: &[(&str, &str)],
    ) -> Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let connector = |class: &str, own: &[&[(&str, &str)]]| {
            let mut config = json!({
                "connector.class": class, "http.listen": listen, "session.secret": SECRET,
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.json.JsonConverter",
                "value.converter.schemas.enable": "false",
            });
            own.concat().iter().chain(both).for_each(|(name, value)| config[name] = json!(value));
            config
        };
        let created = [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "-1")];
        let options = WorkerOptions::embedded()
            .set("demo.shop.enable", "false")
            .connector("clicks", connector("tributary.ClickstreamSource", &[&created, collector]))
            .connector("offers", connector("tributary.SessionDelivery", &[&[("topics", OFFERS)], delivery]));
        let website = Self { target: Target::of(options).await?, listen, client: reqwest::Client::new() };
        website.running().await?;
        Ok(website)
    }

    async fn running(&self) -> Result<()> {
        for connector in ["clicks", "offers"] {
            self.target.rest().wait_running(connector, 1, LIMIT).await?;
        }
        Ok(())
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client.post(format!("http://{}/collect", self.listen)).body(body)
    }

    /// The answers to so many requests at once with a body in gzip.
    async fn flood(&self, gzip: &[u8]) -> Result<Vec<StatusCode>> {
        let mut requests = JoinSet::new();
        for _ in 0..AT_ONCE {
            let request = self.post(gzip.to_vec()).header("content-encoding", "gzip");
            requests.spawn(async move { request.send().await.map(|answer| answer.status()) });
        }
        let mut statuses = Vec::new();
        while let Some(status) = requests.join_next().await {
            statuses.push(status??);
        }
        Ok(statuses)
    }

    /// The worker holds, its tasks run, and the next regular click is stored.
    pub(crate) async fn holds(&mut self) -> Result<()> {
        self.running().await?;
        let answer = self.post(EVENT).send().await?;
        ensure!(answer.status() == StatusCode::OK, "a regular click: {}", answer.text().await?);
        self.target.holds().await
    }

    /// A page that subscribes for a person, after a cursor if it has one.
    async fn page(&self, person: &str, after: Option<&str>) -> Result<Page> {
        let token = token(person)?;
        let mut stream = TcpStream::connect(&self.listen).await?;
        let query = after.map_or_else(String::new, |after| format!("?after={after}"));
        let request =
            format!("GET /events{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n", self.listen);
        stream.write_all(request.as_bytes()).await?;
        let mut page = Page { stream, text: String::new() };
        page.until("retry: ").await?;
        ensure!(page.text.starts_with("HTTP/1.1 200"), "{}", page.text);
        Ok(page)
    }
}

/// A page of each person, opened all at once.
async fn open_pages(website: &Arc<Website>, after: Option<&'static str>) -> Result<Vec<(usize, Page)>> {
    let mut opening = JoinSet::new();
    for number in 0..PAGES {
        let website = Arc::clone(website);
        opening.spawn(async move {
            let page = website.page(&format!("p-{number}"), after).await?;
            Ok::<_, anyhow::Error>((number, page))
        });
    }
    let mut pages = Vec::new();
    while let Some(page) = opening.join_next().await {
        pages.push(page??);
    }
    Ok(pages)
}

/// The raw stream of an open page.
struct Page {
    stream: TcpStream,
    text: String,
}

impl Page {
    /// Reads until this has come.
    async fn until(&mut self, wanted: &str) -> Result<()> {
        let read = async {
            while !self.text.contains(wanted) {
                let mut buffer = [0; 4096];
                let count = self.stream.read(&mut buffer).await?;
                ensure!(count > 0, "the stream ended: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            Ok(())
        };
        tokio::time::timeout(LIMIT, read).await.with_context(|| format!("{wanted} never came"))?
    }
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

/// The session of a customer.
pub(crate) fn token(person: &str) -> Result<String> {
    let session = Session::of_customer(person.to_owned(), now_ms() + 3_600_000)?;
    Ok(Signer::new(SECRET)?.issue(&session))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[tokio::test]
async fn a_request_of_4_kb_that_expands_to_millions_of_values_uses_little_memory() -> Result<()> {
    let mut website = Website::start().await?;
    website.holds().await?;
    let objects = format!(r#"{{"type":"x","a":[{}]}}"#, vec!["{}"; 1_390_000].join(","));
    let lines = format!(r#"{{"type":"x","a":[{}]}}"#, vec!["{}"; 300].join(",")) + "\n";
    let bombs = [gzip(objects.as_bytes())?, gzip(lines.repeat(4_500).as_bytes())?];
    // The worker has served so many requests of a regular size before.
    let items: Vec<String> = (0..2_000).map(|number| format!(r#"{{"b":"{number:036}"}}"#)).collect();
    let regular = format!(r#"{{"type":"x","a":[{}]}}"#, items.join(","));
    assert_eq!(website.flood(&gzip(regular.as_bytes())?).await?, [StatusCode::OK; AT_ONCE]);
    let before = website.target.worker.usage()?.rss_bytes;
    for bomb in bombs {
        let statuses = website.flood(&bomb).await?;
        ensure!(statuses.iter().all(StatusCode::is_client_error), "{statuses:?}");
    }
    let usage = website.target.worker.usage()?;
    println!("rss before {before}, after {}, peak {}", usage.rss_bytes, usage.peak_rss_bytes);
    ensure!(usage.peak_rss_bytes < before + MORE_BYTES, "{} bytes after {before}", usage.peak_rss_bytes);
    website.holds().await
}

#[tokio::test]
async fn a_click_of_a_megabyte_is_refused_alone() -> Result<()> {
    let mut website = Website::start().await?;
    let click = |bytes: usize| format!(r#"{{"type":"x","padding":"{}"}}"#, "x".repeat(bytes));
    let sent = [
        website.post(click(1_040_000)),
        website.post(gzip(click(3_900_000).as_bytes())?).header("content-encoding", "gzip"),
        website.post(click(140_000)),
    ];
    for request in sent {
        let answer = request.send().await?;
        ensure!(answer.status() == StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.status());
        ensure!(answer.json::<Value>().await?["error"].is_string());
        website.holds().await?;
    }
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_never_sent_do_not_block_others() -> Result<()> {
    let mut website = Website::start().await?;
    let mut held = Vec::new();
    for _ in 0..128 {
        let mut stream = TcpStream::connect(&website.listen).await?;
        let head = format!("POST /collect HTTP/1.1\r\nhost: {}\r\ncontent-length: 1048576\r\n\r\n[", website.listen);
        stream.write_all(head.as_bytes()).await?;
        held.push(stream);
    }
    website.holds().await?;
    drop(held);
    Ok(())
}

#[tokio::test]
async fn pages_with_old_cursors_subscribe_at_once_after_a_restart() -> Result<()> {
    let mut website = Website::start().await?;
    let bootstrap = website.target.worker.bootstrap();
    let offer = |number: usize, kind: &str| {
        let person = format!("p-{}", number % PAGES);
        let value = json!({"offer_id": format!("{kind}-{}", number % PAGES), "person_id": person}).to_string();
        (Some(person.into_bytes()), value.into_bytes())
    };
    // It may be there already, as the connector asks for it.
    let _ = create_topic(&bootstrap, OFFERS, 1).await;
    let missed: Vec<_> =
        (0..30_000).map(|number| offer(number, if number < 20_000 { "old" } else { "missed" })).collect();
    produce(&bootstrap, OFFERS, missed).await?;
    website.target.restart().await?;
    website.running().await?;

    let website = Arc::new(website);
    let begun = Instant::now();
    drop(open_pages(&website, None).await?);
    let without_cursor = begun.elapsed();
    let begun = Instant::now();
    let mut pages = open_pages(&website, Some(OLDEST)).await?;
    let listening = begun.elapsed();
    produce(&bootstrap, OFFERS, (0..PAGES).map(|number| offer(number, "new")).collect::<Vec<_>>()).await?;
    for (number, page) in &mut pages {
        page.until(&format!("new-{number}\"")).await?;
    }
    let new = begun.elapsed();
    for (number, page) in &mut pages {
        page.until(&format!("missed-{number}\"")).await?;
    }
    println!(
        "{PAGES} pages listen after {listening:?}, have new offers after {new:?} and all after {:?}",
        begun.elapsed()
    );
    ensure!(
        listening < AT_ONCE_LIMIT.max(without_cursor * 5),
        "pages listen after {listening:?}, without a cursor after {without_cursor:?}"
    );
    drop(pages);
    let mut website = Arc::into_inner(website).context("a page is still opening")?;
    website.holds().await
}
