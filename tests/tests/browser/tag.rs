//! The package `web/tag` in a page of its own, with the collector and the delivery of a worker.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tributary_tests::{
    Tier, Tributary, WorkerOptions, consume_all, create_topic, free_port, produce, require, wait_for,
};

use crate::cdp::Page;

const LIMIT: Duration = Duration::from_secs(120);
const SECRET: &str = "a secret of the tests only, of 32 bytes or more";
const MAX_GZIPPED_BYTES: usize = 3_000;
/// What a page cannot have been looked at, in ms.
const AWAY_MS: i64 = 1_500;
const MIN_VISIT_MS: i64 = 400;

fn package(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tag").join(file);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

#[test]
fn the_built_tag_is_small_and_built_from_its_source() -> Result<()> {
    let built = package("dist/tag.min.js")?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(built.as_bytes())?;
    let bytes = gzip.finish()?.len();
    assert!(bytes < MAX_GZIPPED_BYTES, "{bytes} bytes");

    let mut hash = Sha256::new();
    for file in ["src/tag.js", "src/script.js"] {
        hash.update(package(file)?);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(built.lines().next(), Some(&*format!("/* {hash} */")), "run npm run build in web/tag");
    Ok(())
}

/// The site's own server.
async fn serve(listener: TcpListener, page: String, script: String) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (page, script) = (page.clone(), script.clone());
        connections.spawn(async move { answer(&mut stream, &page, &script).await });
        // One that the browser has opened and does not use ends with the site.
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(stream: &mut TcpStream, page: &str, script: &str) -> std::io::Result<()> {
    let mut request = [0; 8192];
    let length = stream.read(&mut request).await?;
    let is_script = request[..length].starts_with(b"GET /tag.min.js ");
    let (kind, body) = if is_script { ("text/javascript", script) } else { ("text/html", page) };
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

/// The page: it draws an offer far below what is in view.
fn document(collector: &str) -> String {
    format!(
        r#"<!doctype html><title>Armchair</title><meta name="tributary:product" content="lamp"><p>Text</p><script>
        addEventListener("tributary:offer", (event) => {{
          const box = document.createElement("aside");
          box.textContent = event.detail.offer.code;
          box.style.cssText = "position:absolute;top:5000px;height:100px;width:100px";
          document.body.append(box);
          event.detail.element = box;
        }});
        tributary = [(tag) => tag.track("before_the_tag", {{by: "the page"}})];
        </script><script src="/tag.min.js" defer data-product-id="armchair" data-collect="http://{collector}/collect"
        data-events="http://{collector}/events" data-min-visit-ms="{MIN_VISIT_MS}" data-heartbeat-ms="400"></script>"#
    )
}

struct Clicks<'a>(&'a Tributary);

impl Clicks<'_> {
    /// The first event with which this is true.
    async fn first(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(LIMIT, what, || async { self.all().await.into_iter().find(|event| wanted(event)) }).await
    }

    async fn all(&self) -> Vec<Value> {
        let messages = consume_all(&self.0.bootstrap(), "clicks.raw", false).await.unwrap_or_default();
        messages.iter().filter_map(|message| serde_json::from_str(&message.text()).ok()).collect()
    }
}

async fn worker(listen: &str, origin: &str) -> Result<Tributary> {
    let connector = |class: &str, own: Value| {
        let mut config = json!({
            "connector.class": class, "http.listen": listen, "session.secret": SECRET, "cors.allowed.origins": origin,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        });
        own.as_object().into_iter().flatten().for_each(|(name, value)| config[name] = value.clone());
        config
    };
    let created = json!({"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "-1"});
    let options = WorkerOptions::embedded()
        .set("demo.shop.enable", "false")
        .connector("clicks", connector("tributary.ClickstreamSource", created))
        .connector("offers", connector("tributary.SessionDelivery", json!({"topics": "offers"})));
    let worker = Tributary::start(options).await?;
    create_topic(&worker.bootstrap(), "offers", 1).await?;
    for name in ["clicks", "offers"] {
        worker.rest().wait_running(name, 1, LIMIT).await?;
    }
    Ok(worker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tag_tells_what_is_looked_at_and_which_offers_were_in_view() -> Result<()> {
    if !require(Tier::Browser)? {
        return Ok(());
    }
    let site = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", site.local_addr()?);
    let listen = format!("127.0.0.1:{}", free_port()?);
    let worker = worker(&listen, &origin).await?;
    let mut served = JoinSet::new();
    served.spawn(serve(site, document(&listen), package("dist/tag.min.js")?));
    let clicks = Clicks(&worker);

    // Not looked at: the page has no focus.
    let mut page = Page::open().await?;
    page.before_scripts("window.looks = false; document.hasFocus = () => window.looks").await?;
    page.goto(&format!("{origin}/armchair")).await?;
    let of_type = |kind: &'static str| move |event: &Value| event["type"] == kind;
    let viewed = clicks.first("the page view", of_type("page_view")).await?;
    assert_eq!(viewed["title"], "Armchair");
    let product = clicks.first("the product view", of_type("product_view")).await?;
    assert_eq!((&product["product_id"], &product["page_id"]), (&json!("armchair"), &viewed["page_id"]));
    assert_eq!(clicks.first("what waited for the tag", of_type("before_the_tag")).await?["by"], "the page");
    page.wait_until(&format!("performance.now() > {}", AWAY_MS + 1_000), LIMIT).await?;
    page.eval("window.looks = true; dispatchEvent(new Event('focus'))").await?;
    let beat = clicks.first("a heartbeat", of_type("heartbeat")).await?;
    let int = |event: &Value, field: &str| event[field].as_i64().unwrap_or_default();
    assert!(int(&beat, "engaged_ms") >= MIN_VISIT_MS, "{beat}");
    assert!(int(&beat, "ts") - int(&viewed, "ts") - int(&beat, "engaged_ms") >= AWAY_MS, "{beat} after {viewed}");
    assert_eq!(beat["product_id"], "armchair");

    // An offer counts as shown when it is scrolled into view, once, however often it comes.
    let person = viewed["person_id"].as_str().context("a person")?.to_owned();
    let offer =
        json!({"offer_id": "o-1", "person_id": person, "product_id": "armchair", "rule": "r", "code": "SAVE10"});
    let (bootstrap, record) = (worker.bootstrap(), (Some(person.clone().into_bytes()), offer.to_string().into_bytes()));
    let send = || produce(&bootstrap, "offers", [record.clone()]);
    send().await?;
    page.wait_until("document.querySelector('aside') !== null", LIMIT).await?;
    page.eval("window.tributary.track('drawn')").await?;
    clicks.first("the event after the offer", of_type("drawn")).await?;
    assert!(!clicks.all().await.iter().any(of_type("offer_shown")), "it is out of view");
    page.eval("document.querySelector('aside').scrollIntoView()").await?;
    let shown = clicks.first("offer_shown", of_type("offer_shown")).await?;
    assert_eq!(
        (&shown["offer_id"], &shown["offer_product_id"], &shown["rule"]),
        (&json!("o-1"), &json!("armchair"), &json!("r"))
    );
    send().await?;
    page.wait_until("document.querySelectorAll('aside').length === 2", LIMIT).await?;

    // A page that a script shows is a page view of its own, with its own engaged time.
    page.eval("history.pushState({}, '', '/lamp'); document.title = 'Lamp'").await?;
    let routed = clicks.first("the second page view", |event| event["title"] == "Lamp").await?;
    assert_eq!(routed["referrer"], json!(format!("{origin}/armchair")));
    assert_ne!(routed["page_id"], viewed["page_id"]);
    let beat =
        clicks.first("its heartbeat", |event| event["type"] == "heartbeat" && event["page_id"] == routed["page_id"]);
    let beat = beat.await?;
    assert_eq!(beat["product_id"], "lamp");
    // A tick counts for half a second at most.
    assert!(int(&beat, "engaged_ms") <= int(&beat, "ts") - int(&routed, "ts") + 500, "{beat} after {routed}");
    page.eval("history.replaceState({}, '', '/lamp#part')").await?;

    // What is not acknowledged is sent as the page goes.
    page.eval("window.fetch = () => Promise.reject(new Error('no network')); window.tributary.track('last_words')")
        .await?;
    page.goto("about:blank").await?;
    clicks.first("what was sent as the page went", of_type("last_words")).await?;
    let events = clicks.all().await;
    assert_eq!(events.iter().filter(|event| of_type("page_view")(event)).count(), 2, "a part of a page is no page");
    let shown: std::collections::BTreeSet<_> = events
        .iter()
        .filter(|event| of_type("offer_shown")(event))
        .map(|event| event["event_id"].to_string())
        .collect();
    assert_eq!(shown.len(), 1);
    Ok(())
}
