use std::sync::Arc;

use axum::http::header::ALLOW;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::config::DeliverSettings;
use super::long_poll::LongPoll;
use super::opening::Opening;
use super::sse::ServerSentEvents;
use super::websocket::WebSocketEndpoint;
use crate::http::{Hold, refuse, with_header};

/// Serves the three ways to listen.
pub(super) fn serve(hold: &mut Hold, settings: &DeliverSettings, opening: &Arc<Opening>) {
    let sse = ServerSentEvents {
        opening: opening.clone(),
        event_name: settings.event_name.clone(),
        heartbeat: settings.heartbeat,
        retry: settings.sse_retry,
    };
    hold.serve(&settings.paths.sse, Arc::new(sse));
    let websocket = WebSocketEndpoint { opening: opening.clone(), heartbeat: settings.heartbeat };
    hold.serve(&settings.paths.websocket, Arc::new(websocket));
    hold.serve(&settings.paths.poll, Arc::new(LongPoll { opening: opening.clone() }));
}

/// The answer to anything but GET.
pub(super) fn only_get(parts: &Parts) -> Result<(), Response> {
    if parts.method == Method::GET {
        return Ok(());
    }
    let response = refuse(StatusCode::METHOD_NOT_ALLOWED, "listen with GET");
    Err(with_header(response, ALLOW, "GET, OPTIONS"))
}
