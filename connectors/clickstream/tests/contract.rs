//! The contract battery.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use support::{LISTEN, Site, props, token, with_cookie};
use tokio::task::JoinSet;
use tributary_api::{Datum, Plugin, Props, Record};
use tributary_clickstream::Listeners;
use tributary_testkit::battery::{self, SinkSubject, SourceSubject, Violation};

/// The wait between attempts to connect to a listener that may not be open yet.
const RETRY: Duration = Duration::from_millis(5);

struct Website {
    site: Site,
    clients: JoinSet<()>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Website {
    fn new() -> Self {
        Self { site: Site::new(), clients: JoinSet::new(), seen: Arc::default() }
    }

    /// With a browser that stays connected.
    fn with_browser() -> Self {
        let mut website = Self::new();
        website.clients.spawn(listen(website.site.listeners.clone(), website.seen.clone()));
        website
    }
}

fn url(listeners: &Listeners, path: &str) -> Option<String> {
    listeners.local_addr(LISTEN).map(|address| format!("http://{address}{path}"))
}

/// Sends events until they are accepted; they are never acknowledged.
async fn send(listeners: Listeners, events: Value) {
    loop {
        if let Some(url) = url(&listeners, "/collect") {
            let answered = Client::new().post(url).body(events.to_string()).send().await;
            if answered.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Receives by long poll, each time after the last message, and records each item once.
async fn listen(listeners: Listeners, seen: Arc<Mutex<Vec<String>>>) {
    let (client, token) = (Client::new(), token(Some("ann")).1);
    let mut cursor = None;
    loop {
        let after: String = cursor.iter().map(|cursor: &String| format!("&after={cursor}")).collect();
        if let Some(url) = url(&listeners, &format!("/poll?wait=1{after}"))
            && let Ok(answer) = with_cookie(client.get(url), &token).send().await
            && let Ok(answer) = answer.json::<Value>().await
            && let Some(events) = answer["events"].as_array()
        {
            cursor = answer["cursor"].as_str().map(str::to_owned);
            let mut seen = seen.lock().unwrap();
            for item in events.iter().filter_map(|event| event["data"]["item"].as_str()) {
                if !seen.iter().any(|other| other == item) {
                    seen.push(item.to_owned());
                }
            }
            continue;
        }
        tokio::time::sleep(RETRY).await;
    }
}

#[async_trait]
impl SourceSubject for Website {
    fn plugin(&self) -> Plugin {
        self.site.plugins[0].clone()
    }

    fn props(&self) -> Props {
        props(&[("request.timeout.ms", "60000")])
    }

    async fn feed(&mut self, items: &[String]) {
        let events: Value = items.iter().map(|item| json!({"type": "item", "item": item})).collect();
        self.clients.spawn(send(self.site.listeners.clone(), events));
    }

    fn item(&self, record: &Record) -> Option<String> {
        record.value.value.get("item")?.as_str().map(str::to_owned)
    }

    fn replays(&self) -> bool {
        false
    }
}

#[async_trait]
impl SinkSubject for Website {
    fn plugin(&self) -> Plugin {
        self.site.plugins[1].clone()
    }

    fn props(&self) -> Props {
        props(&[("replay.window.ms", "300")])
    }

    fn value(&self, item: &str) -> Datum {
        support::record("ann", &json!({"person_id": "ann", "item": item}).to_string(), 0).value
    }

    async fn delivered(&mut self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_source_keeps_the_contract() {
    assert_eq!(battery::source(Website::new).await, Vec::<Violation>::new());
}

#[tokio::test]
async fn the_sink_keeps_the_contract() {
    assert_eq!(battery::sink(Website::with_browser).await, Vec::<Violation>::new());
}
