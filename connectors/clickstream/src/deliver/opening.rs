use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tributary_api::{Error, ErrorKind, SinkTaskContext};

use super::address::Address;
use super::hub::{Crowded, Hub};
use super::message::{Cursor, Lane, Message};
use super::rings::Missing;
use super::subscription::Subscription;
use crate::http::{Gate, query, refuse, unavailable, with_header};

/// Resumes that read from Kafka at once: each opens a consumer.
const MAX_READERS: usize = 4;
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const READ_RECORDS: usize = 500;
const RETRY_SECONDS: u32 = 2;

/// Begins subscriptions of requests.
#[derive(Debug)]
pub(super) struct Opening {
    gate: Gate,
    hub: Arc<Hub>,
    cx: SinkTaskContext,
    resume_records: usize,
    readers: Semaphore,
}

impl Opening {
    pub(super) fn new(gate: Gate, hub: Arc<Hub>, cx: SinkTaskContext, resume_records: usize) -> Self {
        Self { gate, hub, cx, resume_records, readers: Semaphore::new(MAX_READERS) }
    }

    /// The subscription of a request, behind the cursor that it names; else the answer that refuses it.
    pub(super) async fn open(&self, parts: &Parts) -> Result<Subscription, Response> {
        let session = self.gate.session(parts).map_err(|denied| self.gate.denial(&denied))?;
        let (mut subscription, missing) = self.hub.subscribe(&session, cursor(parts)).map_err(crowded)?;
        let Missing::Behind { cursor, last } = missing else { return Ok(subscription) };
        match timeout(READ_TIMEOUT, self.catch_up(&mut subscription, cursor, last)).await {
            Ok(Ok(())) => Ok(subscription),
            // What is asked for is gone from the topic: what is still here is all there is.
            Ok(Err(error)) if error.kind() == ErrorKind::Data => {
                tracing::info!(%error, "a page resumes behind records that are gone");
                Ok(subscription)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read what a page has missed");
                Err(unavailable("cannot read what was missed: try again", RETRY_SECONDS))
            }
            Err(_) => Err(unavailable("reading what was missed takes too long: try again", RETRY_SECONDS)),
        }
    }

    async fn catch_up(&self, subscription: &mut Subscription, cursor: Cursor, last: Option<i64>) -> Result<(), Error> {
        let Some(partition) = self.cx.assignment().into_iter().find(|held| Lane::of(held) == cursor.lane) else {
            return Ok(());
        };
        let _permit = self.readers.acquire().await.map_err(|error| Error::retriable("the sink ends").cause(&error))?;
        let most = i64::try_from(self.resume_records).unwrap_or(i64::MAX);
        let nearest = last.map_or(i64::MIN, |last| last.saturating_sub(most));
        if nearest > cursor.offset {
            tracing::info!(%partition, %cursor, "a page has missed more than resume.max.records: it gets the latest");
        }
        let mut read_to = Cursor { offset: cursor.offset.max(nearest), ..cursor };
        let (mut messages, mut left) = (Vec::new(), self.resume_records);
        while left > 0 {
            let records = self.cx.read(&partition, read_to.offset + 1, left.min(READ_RECORDS)).await?;
            let count = records.len();
            for record in &records {
                let Some((_, _, offset)) = record.consumed_from() else { continue };
                read_to.offset = read_to.offset.max(offset);
                // Bad records were reported when they came the first time.
                let is_for_page = Address::of(record).is_ok_and(|address| subscription.is_for(&address));
                if is_for_page && let Ok(message) = Message::of(record) {
                    messages.push(Arc::new(message));
                }
            }
            left = left.saturating_sub(count);
            if count < READ_RECORDS {
                break;
            }
        }
        let surplus = messages.len().saturating_sub(self.hub.limits().messages);
        messages.drain(..surplus);
        subscription.replay(messages, read_to);
        Ok(())
    }
}

/// Where a browser wants to go on: the header of an EventSource that reconnects, else the query parameter `after`. What
/// is no cursor is none: a browser could do nothing about an error.
fn cursor(parts: &Parts) -> Option<Cursor> {
    let header = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    header.or_else(|| query(parts, "after"))?.parse().ok()
}

fn crowded(crowded: Crowded) -> Response {
    match crowded {
        Crowded::All => unavailable("too many pages listen at the moment: try again later", RETRY_SECONDS),
        Crowded::Closed => unavailable("not running at the moment: try again", RETRY_SECONDS),
        Crowded::Person => {
            let response = refuse(StatusCode::TOO_MANY_REQUESTS, "too many pages of yours listen: close some");
            with_header(response, RETRY_AFTER, &RETRY_SECONDS.to_string())
        }
    }
}
