use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::catch_up::CatchUp;
use super::hub::{Hub, SubscribeError};
use super::message::Cursor;
use super::rings::Missing;
use super::subscription::Subscription;
use crate::http::{Client, SessionAuthenticator, query, retry_later, unavailable};

const RETRY_SECONDS: u32 = 2;

/// Starts subscriptions for requests of all three transports.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) authenticator: SessionAuthenticator,
    pub(super) hub: Arc<Hub>,
    pub(super) catch_up: Arc<CatchUp>,
}

impl Subscriber {
    /// The subscription of a request, after its cursor, or the response that refuses it. The page receives new messages
    /// at once, also while missed ones are still being read.
    pub(super) fn open(&self, parts: &Parts) -> Result<Subscription, Response> {
        let session = self.authenticator.session(parts).map_err(|denied| self.authenticator.denial(&denied))?;
        let client = Client::of_request(parts);
        let (subscription, missing) = self.hub.subscribe(&session, client, cursor(parts)).map_err(refusal)?;
        Ok(match missing {
            Missing::Nothing => subscription,
            Missing::After(cursor) => subscription.catching_up(&self.catch_up, cursor),
        })
    }
}

/// The cursor to resume from: the header of an EventSource that reconnects, otherwise the query parameter `after`. An
/// invalid cursor is ignored, because a browser could not handle an error.
fn cursor(parts: &Parts) -> Option<Cursor> {
    let header = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    header.or_else(|| query(parts, "after"))?.parse().ok()
}

fn refusal(error: SubscribeError) -> Response {
    match error {
        SubscribeError::All => unavailable("too many subscriptions at the moment: retry later", RETRY_SECONDS),
        SubscribeError::Closed => unavailable("not running at the moment: retry later", RETRY_SECONDS),
        SubscribeError::Person => too_many("you have too many pages open: close some"),
        SubscribeError::Client => too_many("too many pages are open from your address: close some"),
    }
}

fn too_many(reason: &str) -> Response {
    retry_later(StatusCode::TOO_MANY_REQUESTS, reason, RETRY_SECONDS)
}
