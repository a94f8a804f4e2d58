use std::sync::Arc;

use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::config::DeliverSettings;
use super::long_poll::LongPoll;
use super::sse::ServerSentEvents;
use super::subscriber::Subscriber;
use super::websocket::WebSocketEndpoint;
use crate::http::{PathLease, refuse, with_header};

/// Serves the three transports.
pub(super) fn serve(lease: &mut PathLease, settings: &DeliverSettings, subscriber: &Arc<Subscriber>) {
    let sse = ServerSentEvents {
        subscriber: subscriber.clone(),
        event_name: settings.event_name.clone(),
        heartbeat: settings.heartbeat,
        retry: settings.sse_retry,
    };
    lease.serve(&settings.paths.sse, Arc::new(sse));
    let websocket = WebSocketEndpoint { subscriber: subscriber.clone(), heartbeat: settings.heartbeat };
    lease.serve(&settings.paths.websocket, Arc::new(websocket));
    lease.serve(&settings.paths.poll, Arc::new(LongPoll { subscriber: subscriber.clone() }));
}

/// Refuses methods other than GET.
pub(super) fn only_get(parts: &Parts) -> Result<(), Response> {
    if parts.method == Method::GET {
        return Ok(());
    }
    let response = refuse(StatusCode::METHOD_NOT_ALLOWED, "listen with GET");
    Err(with_header(response, ALLOW, "GET, OPTIONS"))
}
