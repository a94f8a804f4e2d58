use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tokio::time::{Instant, timeout_at};

use super::endpoints::only_get;
use super::message::Cursor;
use super::subscriber::Subscriber;
use super::subscription::{Delivery, Next, Subscription};
use crate::http::{Endpoint, empty, query, with_header};

const DEFAULT_WAIT: Duration = Duration::from_secs(25);
/// Proxies cut off requests that take a minute.
const MAX_WAIT: Duration = Duration::from_secs(55);

/// Missed messages have usually been read by then.
const CATCH_UP: Duration = Duration::from_secs(2);
/// With this many messages the answer does not wait for missed ones.
const MANY: usize = 1_000;

/// Delivery by long poll: `?after=CURSOR&wait=SECONDS` answers `{"events":[{"id","data"}],"cursor"}` as soon as there
/// is an event, or without one when the time is over. The cursor is the next request's `after`.
#[derive(Debug)]
pub(super) struct LongPoll {
    pub(super) subscriber: Arc<Subscriber>,
}

#[async_trait]
impl Endpoint for LongPoll {
    async fn serve(&self, request: Request<Body>) -> Response {
        let (parts, _) = request.into_parts();
        if let Err(response) = only_get(&parts) {
            return response;
        }
        let mut subscription = match self.subscriber.open(&parts) {
            Ok(subscription) => subscription,
            Err(response) => return response,
        };
        let wait = query(&parts, "wait").and_then(|wait| wait.parse().ok());
        let wait = wait.map_or(DEFAULT_WAIT, Duration::from_secs).min(MAX_WAIT);
        let deliveries = collect(&mut subscription, wait).await;
        let after = query(&parts, "after").and_then(|after| after.parse().ok());
        let body = answer(&deliveries, after);
        let response = empty(StatusCode::OK, Body::from(body));
        let response = with_header(response, CONTENT_TYPE, "application/json");
        with_header(response, CACHE_CONTROL, "no-store")
    }
}

/// The messages available now or within this time. Waits a little longer for missed messages: without them the page
/// would get the same messages again.
async fn collect(subscription: &mut Subscription, wait: Duration) -> Vec<Delivery> {
    let begun = Instant::now();
    let mut until = begun + wait;
    if subscription.is_catching_up() {
        until = until.max(begun + CATCH_UP);
    }
    let mut deliveries = Vec::new();
    while let Ok(Next::Messages(more)) = timeout_at(until, subscription.next()).await {
        deliveries.extend(more);
        if !subscription.is_catching_up() || deliveries.len() >= MANY {
            break;
        }
        until = until.min(Instant::now() + CATCH_UP);
    }
    deliveries
}

fn answer(deliveries: &[Delivery], after: Option<Cursor>) -> Vec<u8> {
    let mut body = b"{\"events\":[".to_vec();
    let messages = deliveries.iter().filter_map(|delivery| Some((delivery.id, delivery.message.as_ref()?)));
    for (index, (id, message)) in messages.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        body.extend_from_slice(format!("{comma}{{\"id\":\"{id}\",\"data\":").as_bytes());
        body.extend_from_slice(&message.json);
        body.push(b'}');
    }
    let cursor = deliveries.last().map(|delivery| delivery.id).or(after);
    let cursor = cursor.map_or_else(|| "null".to_owned(), |cursor| format!("\"{cursor}\""));
    body.extend_from_slice(format!("],\"cursor\":{cursor}}}").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::super::message::{Message, PartitionId};
    use super::*;

    #[test]
    fn the_cursor_is_the_last_events_or_the_one_given() {
        let cursor = |offset| Cursor { partition_id: PartitionId::new("", 0), offset };
        let message = |offset| {
            let message = Message { cursor: cursor(offset), json: "{}".into() };
            Delivery { id: cursor(offset), message: Some(Arc::new(message)) }
        };
        let text = |messages: &[_], after| String::from_utf8(answer(messages, after)).unwrap();
        assert_eq!(text(&[], None), r#"{"events":[],"cursor":null}"#);
        assert_eq!(text(&[], Some(cursor(7))), r#"{"events":[],"cursor":"811c9dc5.0.7"}"#);
        let two =
            r#"{"events":[{"id":"811c9dc5.0.8","data":{}},{"id":"811c9dc5.0.9","data":{}}],"cursor":"811c9dc5.0.9"}"#;
        assert_eq!(text(&[message(8), message(9)], Some(cursor(7))), two);
        let only_id = Delivery { id: cursor(12), message: None };
        assert_eq!(text(&[only_id], Some(cursor(7))), r#"{"events":[],"cursor":"811c9dc5.0.12"}"#);
    }
}
