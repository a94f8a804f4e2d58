//! Anonymous visitors who log in on two devices, the worker killed meanwhile: their histories are the customer's, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, Message, Pipeline, Tier, Tributary, WorkerOptions, consume_all, create_topic, customer, require, unique,
    wait_until,
};

const PEOPLE: u32 = 40;
const DEVICES: u32 = 2;
const KILLS: u32 = 4;
const LIMIT: Duration = Duration::from_secs(180);
const HOUR_MS: i64 = 3_600_000;

/// The cookies of a browser.
type Cookies = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymous_histories_become_the_customers_once_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    create_topic(&kafka.bootstrap(), "clicks.raw", 3).await?;
    let pipeline = Pipeline::new(PEOPLE)?;
    for connector in ["raw-to-s3", "enriched-to-s3"] {
        pipeline.without(connector)?;
    }
    pipeline.set("personalize", "transaction.timeout.ms", "5000")?;
    let options = WorkerOptions::on_kafka(&kafka, &unique("logins")).set("consumer.session.timeout.ms", "6000");
    let mut worker = Tributary::start(pipeline.options(options)).await?;
    pipeline.running(&worker.rest(), Duration::from_secs(60)).await?;

    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut browsers: Vec<Cookies> = vec![Cookies::new(); (PEOPLE * DEVICES) as usize];
    let begun = now_ms() - 3 * HOUR_MS;
    for (number, cookies) in browsers.iter_mut().enumerate() {
        let event = event("product_view", &format!("seen-{number}"), "lamp", begun);
        // Nobody is killed yet: a browser that never got its cookies would be somebody else at the next try.
        send(&client, &pipeline, cookies, &event).await?;
    }
    for (number, cookies) in browsers.iter_mut().enumerate() {
        let number = u32::try_from(number)?;
        cookies.insert("tributary_session".to_owned(), pipeline.token(number / DEVICES)?);
        send(&client, &pipeline, cookies, &event("page_view", &format!("login-{number}"), "", now_ms())).await?;
        if number % (PEOPLE * DEVICES / KILLS) == 1 {
            worker.kill9()?;
            worker.restart().await?;
        }
    }
    let merged = || async {
        let views = last_views(&kafka).await.unwrap_or_default();
        let of_lamp = |number: u32| views.get(&customer(number)).map_or(0, lamp_views);
        (0..PEOPLE).all(|number| of_lamp(number) == i64::from(DEVICES))
    };
    wait_until(LIMIT, "what was seen on both devices to be the customers'", merged).await?;
    let views = last_views(&kafka).await?;
    let anonymous: Vec<_> =
        views.iter().filter(|(person, view)| person.starts_with("anon:") && !view.is_null()).collect();
    assert!(anonymous.is_empty(), "{anonymous:?}");

    for (number, cookies) in browsers.iter_mut().enumerate() {
        for kind in ["product_view", "heartbeat"] {
            send(&client, &pipeline, cookies, &event(kind, &format!("now-{number}"), "lamp", now_ms())).await?;
        }
    }
    let offered = || async {
        consume_all(&kafka.bootstrap(), "offers", true).await.is_ok_and(|offers| offers.len() >= PEOPLE as usize)
    };
    wait_until(LIMIT, "an offer for each", offered).await?;
    worker.stop().await?;
    let offers = consume_all(&kafka.bootstrap(), "offers", true).await?;
    let people: BTreeSet<String> = offers.iter().map(Message::key_text).collect();
    assert_eq!(
        (offers.len(), people.len()),
        (PEOPLE as usize, PEOPLE as usize),
        "one for each person, on whatever device"
    );
    Ok(())
}

fn event(kind: &str, page: &str, product: &str, at: i64) -> Value {
    let mut event = json!({"event_id": format!("{page}-{kind}"), "type": kind, "page_id": page, "ts": at});
    if !product.is_empty() {
        event["product_id"] = json!(product);
    }
    event
}

/// Sends an event with the browser's cookies until it is acknowledged, and keeps those that are set.
async fn send(client: &reqwest::Client, pipeline: &Pipeline, cookies: &mut Cookies, event: &Value) -> Result<()> {
    let sent = async {
        loop {
            let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request =
                client.post(pipeline.url("/collect")).header("cookie", pairs.join("; ")).body(event.to_string());
            let Ok(answer) = request.send().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            for set in answer.headers().get_all("set-cookie") {
                let pair = set.to_str().ok().and_then(|set| set.split(';').next()?.split_once('='));
                if let Some((name, value)) = pair {
                    cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            if answer.status().is_success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, sent).await.context("an event that was never acknowledged")
}

/// The last record of each person; null for those that were deleted.
async fn last_views(kafka: &Kafka) -> Result<BTreeMap<String, Value>> {
    let messages = consume_all(&kafka.bootstrap(), "customer.view", true).await?;
    messages
        .iter()
        .map(|message| {
            let text = message.text();
            let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
            Ok((message.key_text(), value))
        })
        .collect()
}

fn lamp_views(view: &Value) -> i64 {
    let products = view["products"].as_array().into_iter().flatten();
    products.filter(|product| product["product_id"] == "lamp").filter_map(|product| product["views"].as_i64()).sum()
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
