use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use tokio::time::timeout;

use super::endpoints::only_get;
use super::subscriber::Subscriber;
use super::subscription::{Delivery, Next, Subscription};
use crate::http::{Endpoint, empty, with_header};

/// Delivery by server-sent events, as defined by the HTML standard.
#[derive(Debug)]
pub(super) struct ServerSentEvents {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) event_name: String,
    pub(super) heartbeat: Duration,
    /// Browsers wait this long before they connect again.
    pub(super) retry: Duration,
}

/// The name of an event with an id and no message.
pub(super) const CURSOR_EVENT: &str = "cursor";

struct EventStream {
    subscription: Subscription,
    event_name: String,
    heartbeat: Duration,
    /// Sent first, so that the page knows at once that it is connected.
    greeting: Option<Bytes>,
}

impl EventStream {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(greeting), self));
        }
        let frame = match timeout(self.heartbeat, self.subscription.next()).await {
            Ok(Next::Messages(deliveries)) => self.frames(&deliveries),
            Ok(Next::End) => return None,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(frame), self))
    }

    fn frames(&self, deliveries: &[Delivery]) -> Bytes {
        let json = |delivery: &Delivery| delivery.message.as_ref().map_or(0, |message| message.json.len());
        let length = deliveries.iter().map(|delivery| json(delivery) + self.event_name.len() + 64).sum();
        let mut frames = BytesMut::with_capacity(length);
        for Delivery { id, message } in deliveries {
            frames.put(format!("id: {id}\n").as_bytes());
            match message {
                Some(message) => {
                    frames.put(format!("event: {}\ndata: ", self.event_name).as_bytes());
                    frames.put(&*message.json);
                }
                // Nothing was missed: sends the current cursor, which the browser resumes from and which a page can
                // store.
                None => frames.put(format!("event: {CURSOR_EVENT}\ndata: {{}}").as_bytes()),
            }
            frames.put(&b"\n\n"[..]);
        }
        frames.freeze()
    }
}

#[async_trait]
impl Endpoint for ServerSentEvents {
    async fn serve(&self, request: Request<Body>) -> Response {
        let (parts, _) = request.into_parts();
        if let Err(response) = only_get(&parts) {
            return response;
        }
        let subscription = match self.subscriber.open(&parts) {
            Ok(subscription) => subscription,
            Err(response) => return response,
        };
        let greeting = Some(format!("retry: {}\n\n", self.retry.as_millis()).into());
        let feed =
            EventStream { subscription, event_name: self.event_name.clone(), heartbeat: self.heartbeat, greeting };
        let response = empty(StatusCode::OK, Body::from_stream(stream::unfold(feed, EventStream::next)));
        let response = with_header(response, CONTENT_TYPE, "text/event-stream");
        let response = with_header(response, CACHE_CONTROL, "no-cache, no-transform");
        with_header(response, HeaderName::from_static("x-accel-buffering"), "no")
    }
}
