//! The demo shop with its connectors, by both names of this machine: what a browser would ask, over HTTP.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use tributary_tests::{Tributary, WorkerOptions};

const START: Duration = Duration::from_secs(120);
const CUSTOMER: &str = "c-1001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shopper_may_come_by_localhost_or_by_address() -> Result<()> {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut worker = Tributary::start(WorkerOptions::embedded().configs(configs)).await?;
    for connector in ["clicks", "offers"] {
        worker.rest().wait_running(connector, 1, START).await?;
    }
    for host in ["127.0.0.1", "localhost"] {
        shop(&format!("http://{host}:{}", worker.shop_port()), host).await.with_context(|| format!("by {host}"))?;
    }
    worker.stop().await
}

/// Logs in, opens a product, sends its view to where the page says, and listens there.
async fn shop(origin: &str, host: &str) -> Result<()> {
    let client = Client::builder().redirect(Policy::none()).build()?;
    let form = client.post(format!("{origin}/login")).header("origin", origin);
    let form = form.header("content-type", "application/x-www-form-urlencoded").body(format!("customer_id={CUSTOMER}"));
    let answer = form.send().await?;
    assert_eq!(answer.status(), 303);
    let cookie = header(&answer, "set-cookie").split(';').next().unwrap_or_default().to_owned();
    let page = client.get(format!("{origin}/products/armchair")).header("cookie", &cookie).send().await?.text().await?;
    let (collect, events) = (attribute(&page, "data-collect")?, attribute(&page, "data-events")?);
    assert!(collect.starts_with(&format!("http://{host}:")), "a cookie of {host} does not go to {collect}");

    let ask = |request: RequestBuilder, origin: &str| request.header("origin", origin).header("cookie", &cookie).send();
    let view = || client.post(&collect).body(r#"{"type":"product_view","product_id":"armchair"}"#);
    let stored = ask(view(), origin).await?;
    assert_readable(&stored, origin);
    assert_eq!(stored.text().await?, r#"{"accepted":1}"#);
    let listening = ask(client.get(&events), origin).await?;
    assert_readable(&listening, origin);
    assert_eq!(header(&listening, "content-type"), "text/event-stream");
    for foreign in ["http://localhost:1", "http://shop.example.com"] {
        assert_eq!(ask(view(), foreign).await?.status(), 403, "{foreign}");
    }
    Ok(())
}

/// Whether a script of the page gets to see the answer.
fn assert_readable(answer: &Response, origin: &str) {
    assert_eq!(answer.status(), 200);
    assert_eq!(header(answer, "access-control-allow-origin"), origin);
    assert_eq!(header(answer, "access-control-allow-credentials"), "true");
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn attribute(page: &str, name: &str) -> Result<String> {
    let value = page.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    Ok(value.with_context(|| format!("no {name} in {page}"))?.0.to_owned())
}
