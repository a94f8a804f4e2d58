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
use super::message::Message;
use super::opening::Opening;
use super::subscription::{Next, Subscription};
use crate::http::{Endpoint, empty, with_header};

/// Listening by server-sent events, as defined by the HTML standard.
#[derive(Debug)]
pub(super) struct ServerSentEvents {
    pub(super) opening: Arc<Opening>,
    pub(super) event_name: String,
    pub(super) heartbeat: Duration,
    /// Browsers wait this long before they connect again.
    pub(super) retry: Duration,
}

struct Feed {
    subscription: Subscription,
    event_name: String,
    heartbeat: Duration,
    /// Sent before anything else, so that the page knows at once that it listens.
    greeting: Option<Bytes>,
}

impl Feed {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(greeting), self));
        }
        let frame = match timeout(self.heartbeat, self.subscription.next()).await {
            Ok(Next::Messages(messages)) => self.frames(&messages),
            Ok(Next::End) => return None,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(frame), self))
    }

    fn frames(&self, messages: &[Arc<Message>]) -> Bytes {
        let length = messages.iter().map(|message| message.json.len() + self.event_name.len() + 64).sum();
        let mut frames = BytesMut::with_capacity(length);
        for message in messages {
            frames.put(format!("id: {}\nevent: {}\ndata: ", message.cursor, self.event_name).as_bytes());
            frames.put(&*message.json);
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
        let subscription = match self.opening.open(&parts).await {
            Ok(subscription) => subscription,
            Err(response) => return response,
        };
        let greeting = Some(format!("retry: {}\n\n", self.retry.as_millis()).into());
        let feed = Feed { subscription, event_name: self.event_name.clone(), heartbeat: self.heartbeat, greeting };
        let response = empty(StatusCode::OK, Body::from_stream(stream::unfold(feed, Feed::next)));
        let response = with_header(response, CONTENT_TYPE, "text/event-stream");
        let response = with_header(response, CACHE_CONTROL, "no-cache, no-transform");
        with_header(response, HeaderName::from_static("x-accel-buffering"), "no")
    }
}
