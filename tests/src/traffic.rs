use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::pipeline::{Pipeline, visit};
use crate::s3::S3;
use crate::topics::Message;
use crate::wait::wait_until;

/// Connections that send at once.
const SENDERS: u32 = 4;
/// The product that every customer of a [`Pipeline`] saw in earlier sessions.
const PRODUCT: &str = "armchair";

/// Customers 0 to `people` come back several times to a product seen long before, and linger.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// How many customers.
    pub people: u32,
    /// Visits of each.
    pub visits: u32,
    /// Events of each visit, sent in one request.
    pub events: u32,
}

impl Traffic {
    /// How many events that makes.
    pub const fn clicks(self) -> usize {
        (self.people * self.visits * self.events) as usize
    }

    /// Begins to send; each request again until it is acknowledged, for `limit`.
    pub fn start(self, pipeline: &Arc<Pipeline>, limit: Duration) -> Flow {
        self.start_paced(pipeline, Duration::ZERO, limit)
    }

    /// [`start`](Self::start) with so many events in a second, or fewer where they are not taken as fast.
    pub fn start_at(self, per_second: u32, pipeline: &Arc<Pipeline>, limit: Duration) -> Flow {
        self.start_paced(pipeline, Duration::from_secs(1) * self.events * SENDERS / per_second.max(1), limit)
    }

    /// `pace` is the time from one request of a sender to its next one.
    fn start_paced(self, pipeline: &Arc<Pipeline>, pace: Duration, limit: Duration) -> Flow {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            senders.spawn(self.send(Arc::clone(pipeline), sender, Pace { pace, limit }, Arc::clone(&acknowledged)));
        }
        Flow { acknowledged, senders }
    }

    async fn send(
        self,
        pipeline: Arc<Pipeline>,
        sender: u32,
        Pace { pace, limit }: Pace,
        acknowledged: Arc<AtomicUsize>,
    ) -> Result<usize> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let (mut retried, mut due) = (0, Instant::now());
        for number in 0..self.visits {
            for person in (sender..self.people).step_by(SENDERS as usize) {
                tokio::time::sleep_until(due).await;
                due += pace;
                let (token, events) = (pipeline.token(person)?, visit(person, number, PRODUCT, self.events));
                retried += pipeline.send(&client, &token, &events, limit).await? - 1;
                acknowledged.fetch_add(events.len(), Ordering::Relaxed);
            }
        }
        Ok(retried)
    }
}

/// The time from one request to the next, and how long each is tried.
#[derive(Clone, Copy)]
struct Pace {
    pace: Duration,
    limit: Duration,
}

/// Traffic that is being sent.
#[derive(Debug)]
pub struct Flow {
    acknowledged: Arc<AtomicUsize>,
    senders: JoinSet<Result<usize>>,
}

impl Flow {
    /// How many events are acknowledged by now.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many are acknowledged.
    pub async fn reached(&self, count: usize, limit: Duration) -> Result<()> {
        let what = format!("{count} acknowledged clicks");
        wait_until(limit, &what, || async { self.acknowledged() >= count }).await
    }

    /// Waits for the rest; answers how many tries failed.
    pub async fn finish(mut self) -> Result<usize> {
        let mut retried = 0;
        while let Some(sender) = self.senders.join_next().await {
            retried += sender??;
        }
        Ok(retried)
    }
}

/// How often each event is in a topic, by event id.
pub fn event_ids(messages: &[Message]) -> Result<BTreeMap<String, usize>> {
    let mut ids = BTreeMap::new();
    for message in messages {
        *ids.entry(event_id(message.text().as_bytes())?).or_default() += 1;
    }
    Ok(ids)
}

/// The ids of all events in the JSON lines of a bucket's objects.
pub async fn event_ids_in(s3: &S3, bucket: &str) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for (_, object) in s3.objects(bucket).await? {
        for line in object.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            ids.insert(event_id(line)?);
        }
    }
    Ok(ids)
}

fn event_id(json: &[u8]) -> Result<String> {
    let event: Value = serde_json::from_slice(json).context("an event that is no JSON")?;
    Ok(event["event_id"].as_str().context("an event without an id")?.to_owned())
}
