use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::timeout;

use super::endpoints::only_get;
use super::subscriber::Subscriber;
use super::subscription::{Delivery, Next, Subscription};
use crate::http::Endpoint;

/// Browsers need not send anything.
const MAX_INCOMING_BYTES: usize = 4 << 10;
/// One for each connected page. Longer frames are read in several steps; writes are sent at once.
const BUFFER_BYTES: usize = 1 << 10;
/// A browser that accepts no data for this long is considered gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Delivery by WebSocket: each message is one text frame `{"id","data"}`. `?after=CURSOR` resumes after a message.
#[derive(Debug)]
pub(super) struct WebSocketEndpoint {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) heartbeat: Duration,
}

#[async_trait]
impl Endpoint for WebSocketEndpoint {
    async fn serve(&self, request: Request<Body>) -> Response {
        let (mut parts, _) = request.into_parts();
        if let Err(response) = only_get(&parts) {
            return response;
        }
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade
                .max_message_size(MAX_INCOMING_BYTES)
                .max_frame_size(MAX_INCOMING_BYTES)
                .read_buffer_size(BUFFER_BYTES)
                .write_buffer_size(0),
            Err(rejection) => return rejection.into_response(),
        };
        let subscription = match self.subscriber.open(&parts) {
            Ok(subscription) => subscription,
            Err(response) => return response,
        };
        let heartbeat = self.heartbeat;
        upgrade.on_upgrade(move |socket| forward(socket, subscription, heartbeat))
    }
}

/// Ends with the subscription, or with the socket.
async fn forward(mut socket: WebSocket, mut subscription: Subscription, heartbeat: Duration) {
    loop {
        let frames = tokio::select! {
            next = subscription.next() => match next {
                Next::Messages(deliveries) => deliveries.iter().filter_map(frame).collect(),
                Next::End => break,
            },
            // Pages send nothing but the answers to pings; this shows that the page is gone.
            received = socket.recv() => match received {
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            // Nothing was sent for so long: a proxy would close the connection.
            () = tokio::time::sleep(heartbeat) => vec![Frame::Ping(Bytes::new())],
        };
        for frame in frames {
            if !matches!(timeout(SEND_TIMEOUT, socket.send(frame)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
    // The other side sees the end of the connection even without this frame.
    let _ = timeout(SEND_TIMEOUT, socket.send(Frame::Close(None))).await;
}

fn frame(delivery: &Delivery) -> Option<Frame> {
    let json = String::from_utf8_lossy(&delivery.message.as_ref()?.json);
    Some(Frame::Text(format!("{{\"id\":\"{}\",\"data\":{json}}}", delivery.id).into()))
}
