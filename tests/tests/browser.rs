//! Pages in a headless Chromium.
#![allow(clippy::unwrap_used)]

#[path = "browser/cdp.rs"]
mod cdp;
#[path = "browser/tag.rs"]
mod tag;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cdp::Page;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tributary_tests::{
    Browser, Mongo, SqlPipeline, Tier, Tributary, WorkerOptions, consume_all, require, wait_for, wait_until,
};

/// The rules ask for 20 s of engaged time, reported by heartbeats every 10 s after the first 5 s: 25 s. The rest is for a
/// busy machine.
const VOUCHER: Duration = Duration::from_secs(180);
const START: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_browser_runs_the_script_of_a_page() -> Result<()> {
    if !require(Tier::Browser)? {
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let page = "<!doctype html><p id=sum>empty</p><script>sum.textContent = 40 + 2</script>";
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    let browser = Browser::find()?;
    let document = tokio::select! {
        document = browser.document(&url, Duration::from_secs(60)) => document?,
        stopped = serve(listener, &answer) => anyhow::bail!("the page is no longer served: {stopped:?}"),
    };
    assert!(document.contains(r#"<p id="sum">42</p>"#), "{document}");
    Ok(())
}

/// Always gives the same response: a browser also requests an icon, and opens connections that it does not use.
async fn serve(listener: TcpListener, answer: &str) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        if stream.read(&mut [0; 4096]).await? > 0 {
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// The mission in one test, with the project's own configuration: a customer who returns to a product and lingers gets
/// a voucher without reloading; one who lingers over a product never seen before does not, nor one without consent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_shopper_who_lingers_over_a_product_seen_before_gets_a_voucher() -> Result<()> {
    if !require(Tier::Browser)? {
        return Ok(());
    }
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let worker = Tributary::start(WorkerOptions::embedded().configs(configs)).await?;
    let shop = wait_for(START, "the shop's address", || async { shop_address(&worker.log()) }).await?;
    wait_for(START, "all connectors running", || async { connectors_run(&worker).await.then_some(()) }).await?;

    // The visitors without a voucher come first: their last heartbeat is decided on before the one that brings the voucher.
    let mut is_new = visit(&shop, "c-1004", "kettle").await?;
    let mut no_consent = visit(&shop, "c-1002", "tent").await?;
    let mut returns = visit(&shop, "c-1001", "armchair").await?;
    for page in [&mut is_new, &mut no_consent, &mut returns] {
        page.move_pointer(40, 40).await?;
    }
    returns.eval("window.sameDocument = true").await?;
    let shown = returns.wait_until("document.querySelector('.voucher code') !== null", VOUCHER).await;
    shown.with_context(|| format!("the worker says:\n{}", worker.log()))?;
    assert_eq!(returns.eval("document.querySelector('.voucher code').textContent").await?, "COMEBACK10");
    assert_eq!(returns.eval("document.querySelector('.voucher').getAttribute('role')").await?, "status");
    assert_eq!(returns.eval("window.sameDocument").await?, true, "the page was not loaded again");
    let unsent = "JSON.parse(sessionStorage.getItem('tributary.unsent')).length === 0";
    returns.wait_until(unsent, START).await.context("offer_shown is acknowledged")?;

    // They have lingered longer, and their events are stored: nothing is on its way to them.
    for page in [&mut is_new, &mut no_consent] {
        page.wait_until(unsent, START).await?;
        assert_eq!(page.eval("document.querySelector('.voucher')").await?, serde_json::Value::Null);
    }

    returns.eval("document.querySelector('.voucher button').click()").await?;
    assert_eq!(returns.eval("document.querySelector('.voucher')").await?, serde_json::Value::Null);
    returns.goto(&format!("{shop}/products/armchair")).await?;
    assert_eq!(
        returns.eval("document.querySelector('.voucher')").await?,
        serde_json::Value::Null,
        "dismissed for good"
    );
    Ok(())
}

/// From the database to the document of the customer: a row that SQL changes is in it after the next click, with what the
/// customer bought and looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_sql_changes_is_in_the_customers_document_after_the_next_click() -> Result<()> {
    if !(require(Tier::Browser)? && require(Tier::Mongo)?) {
        return Ok(());
    }
    let (sql, mongo) = (SqlPipeline::start().await?, Mongo::start().await?);
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let worker = Tributary::start(sql.options(WorkerOptions::embedded().configs(configs))?).await?;
    let shop = wait_for(START, "the shop's address", || async { shop_address(&worker.log()) }).await?;
    sql.running(&worker.rest(), START).await?;
    worker.rest().put_connector("customer-view", &view_sink(&mongo.uri())?).await?;
    let document = |what: &'static str, wanted: fn(&Value) -> bool| {
        let mongo = &mongo;
        wait_for(START, what, move || async move {
            let documents = mongo.documents("shop", "customers").await.ok()?;
            documents
                .iter()
                .filter_map(|one| serde_json::to_value(one).ok())
                .find(|one| one["person_id"] == "c-1001" && wanted(one))
        })
    };

    let mut page = visit(&shop, "c-1001", "armchair").await?;
    page.move_pointer(40, 40).await?;
    document("the first click in the document", |one| one["products"][0]["product_id"] == "armchair").await?;
    let mut database = sql.server.connect(SqlPipeline::DATABASE).await?;
    database.run("UPDATE dbo.customers SET loyalty_tier = 'platinum' WHERE customer_id = 'c-1001'").await?;
    database
        .run(
            "INSERT INTO dbo.orders (order_id, customer_id, product_id, quantity, total, currency, status) \
             VALUES ('o-1', 'c-1001', 'kettle', 1, 54.9, 'EUR', 'placed')",
        )
        .await?;
    let bootstrap = worker.bootstrap();
    let read = || async {
        let rows = consume_all(&bootstrap, "customers", false).await.unwrap_or_default();
        rows.iter().any(|row| row.key_text() == "c-1001" && row.text().contains("platinum"))
    };
    wait_until(START, "the changed row in topic customers", read).await?;
    document("the order in the document", |one| one["orders"][0]["product_id"] == "kettle").await?;

    page.goto(&format!("{shop}/products/lamp")).await?;
    page.move_pointer(40, 40).await?;
    let found = document("the next click in the document", |one| one["products"][0]["product_id"] == "lamp").await?;
    assert_eq!(found["profile"]["loyalty_tier"], "platinum", "{found}");
    assert_eq!(found["profile"]["email"], "ada@example.com", "{found}");
    assert_eq!(found["orders"][0]["order_id"], "o-1", "{found}");
    assert_eq!(found["products"][1]["product_id"], "armchair", "{found}");
    let only_the_customer = || async {
        let documents = mongo.documents("shop", "customers").await.unwrap_or_default();
        documents.len() == 1
    };
    wait_until(START, "no document of the anonymous visitor who has logged in", only_the_customer).await
}

/// As the sink's README has it.
fn view_sink(uri: &str) -> Result<Value> {
    let readme = include_str!("../../connectors/mongodb/README.md");
    let example = readme.split_once("```json").and_then(|(_, rest)| rest.split_once("```"));
    let mut config: Value = serde_json::from_str(example.context("the README has no example")?.0)?;
    config["connection.uri"] = json!(uri);
    config["errors.deadletterqueue.topic.replication.factor"] = json!("1");
    Ok(config)
}

/// A browser of its own, logged in, on a product's page.
async fn visit(shop: &str, customer: &str, product: &str) -> Result<Page> {
    let mut page = Page::open().await?;
    page.goto(&format!("{shop}/login")).await?;
    let choose = format!("document.querySelector('input[value={customer}]').checked = true");
    page.eval(&choose).await?;
    page.eval("document.querySelector('main form').requestSubmit()").await?;
    page.wait_until("document.querySelector('#customer') !== null", START).await?;
    page.goto(&format!("{shop}/products/{product}")).await?;
    Ok(page)
}

/// The address that the worker prints.
fn shop_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.trim_start().starts_with("Shop "))?;
    line.split_whitespace().find(|word| word.starts_with("http://")).map(|url| url.trim_end_matches('/').to_owned())
}

async fn connectors_run(worker: &Tributary) -> bool {
    let Ok(answer) = worker.rest().get("/connectors?expand=status").await else { return false };
    let status = answer.json();
    ["customers", "clicks", "personalize", "offers"].iter().all(|name| {
        let tasks = status[name]["status"]["tasks"].as_array().cloned().unwrap_or_default();
        !tasks.is_empty() && tasks.iter().all(|task| task["state"] == "RUNNING")
    })
}
