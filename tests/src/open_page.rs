use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::pipeline::Pipeline;
use crate::wait::wait_for;

/// The shortest time after which a browser reconnects.
const RETRY: Duration = Duration::from_millis(100);

/// A customer's page that listens for offers (`GET /events`). When its stream breaks it connects again as a browser does,
/// naming the last message it has seen. Closed when dropped.
#[derive(Debug)]
pub struct OpenPage {
    seen: Arc<Mutex<Seen>>,
    _listening: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    cursor: Option<String>,
    offers: Vec<Value>,
}

impl OpenPage {
    /// Opens it.
    pub fn open(pipeline: &Pipeline, customer: u32) -> Result<Self> {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut listening = JoinSet::new();
        listening.spawn(listen(pipeline.url("/events"), pipeline.token(customer)?, Arc::clone(&seen)));
        Ok(Self { seen, _listening: listening })
    }

    /// Waits until it listens for the `count`th time, the first one being 1.
    pub async fn connected(&self, count: usize, limit: Duration) -> Result<()> {
        let what = format!("connection {count} of a page");
        wait_for(limit, &what, || async { (lock(&self.seen).connections >= count).then_some(()) }).await
    }

    /// Waits for an offer.
    pub async fn offered(&self, limit: Duration) -> Result<()> {
        wait_for(limit, "an offer in the open page", || async { (!lock(&self.seen).offers.is_empty()).then_some(()) })
            .await
    }

    /// How often it has connected.
    pub fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    /// All offers that came, repetitions included.
    pub fn offers(&self) -> Vec<Value> {
        lock(&self.seen).offers.clone()
    }
}

async fn listen(url: String, token: String, seen: Arc<Mutex<Seen>>) {
    let client = reqwest::Client::new();
    loop {
        let mut request = client.get(&url).bearer_auth(&token);
        if let Some(cursor) = lock(&seen).cursor.clone() {
            request = request.header("last-event-id", cursor);
        }
        if let Ok(answer) = request.send().await
            && answer.status().is_success()
        {
            lock(&seen).connections += 1;
            read(answer, &seen).await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Collects messages until the stream ends or breaks.
async fn read(mut answer: reqwest::Response, seen: &Mutex<Seen>) {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = bytes.drain(..end + 2).collect();
            take(&String::from_utf8_lossy(&frame), &mut lock(seen));
        }
    }
}

fn take(frame: &str, seen: &mut Seen) {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if let (Some(id), Some(Ok(offer))) = (field("id"), field("data").map(serde_json::from_str)) {
        seen.cursor = Some(id.to_owned());
        seen.offers.push(offer);
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_an_offer_with_its_id_and_a_comment_is_none() {
        let mut seen = Seen::default();
        take("retry: 1000\n\n", &mut seen);
        take(":\n\n", &mut seen);
        assert!(seen.offers.is_empty() && seen.cursor.is_none());
        take("id: offers.0.7\nevent: offer\ndata: {\"code\":\"A: B\"}\n\n", &mut seen);
        assert_eq!((seen.cursor.as_deref(), seen.offers[0]["code"].as_str()), (Some("offers.0.7"), Some("A: B")));
    }
}
