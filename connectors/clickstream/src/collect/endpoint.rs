use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use serde::Serialize;
use tributary_api::Record;

use super::body::{BodyError, receive};
use super::budget::{Full, Reservation};
use super::config::{CollectSettings, Limits};
use super::newcomers::Newcomers;
use super::parse::{Flaw, ParseError};
use super::pending::PendingRequests;
use super::reading::{Content, Fault, Reading, Unread};
use super::requests::Outcome;
use super::stamp::RequestContext;
use crate::http::{
    Client, Denied, Endpoint, SessionAuthenticator, json, now_ms, refuse, retry_later, unavailable, with_header,
};
use crate::session::{Session, TokenError};

const RETRY_SECONDS: u32 = 1;
/// So many bad events of a request are named.
const MAX_FAULTS_SHOWN: usize = 20;

/// Answers the requests of the collect path.
#[derive(Debug)]
pub(super) struct CollectEndpoint {
    authenticator: SessionAuthenticator,
    session_ttl_ms: i64,
    newcomers: Newcomers,
    timeout: Duration,
    skip_invalid: bool,
    reading: Arc<Reading>,
    pending: Arc<PendingRequests>,
}

/// The answer to a request that was taken.
#[derive(Debug, Serialize)]
struct Accepted {
    accepted: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Refused>,
}

/// The answer to a request with bad events.
#[derive(Debug, Serialize)]
struct Rejected {
    error: String,
    events: Vec<Refused>,
}

/// What is wrong with one event.
#[derive(Debug, Serialize)]
struct Refused {
    /// Its place in the request, from 0.
    index: usize,
    reason: String,
}

impl CollectEndpoint {
    pub(super) fn new(settings: &CollectSettings, pending: Arc<PendingRequests>) -> Self {
        Self {
            authenticator: settings.http.authenticator.clone(),
            session_ttl_ms: settings.session_ttl_ms,
            newcomers: Newcomers::new(settings.new_sessions),
            timeout: settings.request_timeout,
            skip_invalid: settings.skip_invalid,
            reading: Arc::new(Reading::new(settings)),
            pending,
        }
    }

    /// The session of the request; without a token a new one, and the cookie that hands it to the browser.
    fn visitor(&self, parts: &Parts, client: Client, now: i64) -> Result<(Session, Option<String>), Response> {
        match self.authenticator.session(parts) {
            Ok(session) => Ok((session, None)),
            Err(Denied::Absent | Denied::Invalid { error: TokenError::Expired, from_cookie: true }) => {
                self.newcomers.admit(client).map_err(too_many_newcomers)?;
                let session = Session::anonymous(now.saturating_add(self.session_ttl_ms));
                let token = self.authenticator.signer.issue(&session);
                Ok((session, Some(self.authenticator.cookie.set(&token, self.session_ttl_ms / 1000))))
            }
            Err(denied) => Err(self.authenticator.denial(&denied)),
        }
    }

    async fn collect(&self, parts: &Parts, body: Body, context: &RequestContext, mut room: Reservation) -> Response {
        let limits = self.reading.limits();
        let body = match receive(&parts.headers, body, limits.wire_bytes, &mut room).await {
            Ok(body) => body,
            Err(error) => return refuse_body(error),
        };
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lines = content_type.contains("ndjson") || content_type.contains("jsonl");
        let Content { records, faults, room } = match self.reading.read(body, lines, context, room).await {
            Ok(content) => content,
            Err(Unread::Body(error)) => return refuse_body(error),
            Err(Unread::Events(error)) => return refuse_events(error, limits),
            Err(Unread::Ending) => return ending(),
        };
        if !faults.is_empty() && (records.is_empty() || !self.skip_invalid) {
            let events = faults.len() + records.len();
            tracing::debug!(bad = faults.len(), events, "request with bad events refused");
            return rejected(&faults);
        }
        self.store(records, &faults, room).await
    }

    async fn store(&self, records: Vec<Record>, faults: &[Fault], room: Reservation) -> Response {
        let accepted = records.len();
        if accepted > 0 {
            let Some(answered) = self.pending.submit(records, room) else { return ending() };
            match answered.await {
                Ok(Outcome::Stored) => {}
                Ok(Outcome::Unstorable) => {
                    let reason = "an event cannot be stored as it is: do not send it again";
                    return refuse(StatusCode::UNPROCESSABLE_ENTITY, reason);
                }
                Ok(Outcome::Failed) => {
                    return unavailable("the broker did not take the events: send them again", RETRY_SECONDS);
                }
                Ok(Outcome::Refused) | Err(_) => return ending(),
            }
        }
        if !faults.is_empty() {
            tracing::debug!(bad = faults.len(), accepted, "bad events left out");
        }
        json(StatusCode::OK, &Accepted { accepted, rejected: shown(faults) })
    }
}

#[async_trait]
impl Endpoint for CollectEndpoint {
    async fn serve(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            let response = refuse(StatusCode::METHOD_NOT_ALLOWED, "send events with POST");
            return with_header(response, ALLOW, "POST, OPTIONS");
        }
        let received_at = now_ms();
        let client = Client::of_request(&parts);
        let (session, cookie) = match self.visitor(&parts, client, received_at) {
            Ok(visitor) => visitor,
            Err(response) => return response,
        };
        let says_yes = |name: &str| parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
        let (dnt, gpc) = (says_yes("dnt"), says_yes("sec-gpc"));
        let context = RequestContext { person: session.person(), session, received_at, dnt, gpc };
        let room = self.pending.budget().reserve(client);
        let response = match tokio::time::timeout(self.timeout, self.collect(&parts, body, &context, room)).await {
            Ok(response) => response,
            Err(_) => unavailable("the events were not stored in time: send them again", RETRY_SECONDS),
        };
        match cookie {
            Some(cookie) => with_header(response, SET_COOKIE, &cookie),
            None => response,
        }
    }
}

fn refuse_body(error: BodyError) -> Response {
    match error {
        BodyError::TooLong { max_bytes } => {
            let reason = format!("the body is longer than {max_bytes} bytes: send several requests");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &reason)
        }
        BodyError::Encoding => refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body plain or as gzip"),
        BodyError::Bad(reason) => refuse(StatusCode::BAD_REQUEST, &reason),
        BodyError::TooSlow => refuse(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly: send smaller requests"),
        BodyError::Full(full) => no_room(full),
    }
}

fn refuse_events(error: ParseError, limits: &Limits) -> Response {
    let too_large = |reason: &str| refuse(StatusCode::PAYLOAD_TOO_LARGE, reason);
    match error {
        ParseError::Bad(reason) => refuse(StatusCode::BAD_REQUEST, &reason),
        ParseError::TooManyEvents => too_large(&format!("more than {} events: send several requests", limits.events)),
        ParseError::TooManyValues => {
            too_large(&format!("more than {} values in all events: send several requests", limits.values))
        }
        ParseError::Full(full) => no_room(full),
    }
}

/// 413 where one event is too large, as a client may know what to do about that; else 400.
fn rejected(faults: &[Fault]) -> Response {
    let error = format!("{} bad events, none was taken: correct or leave them out", faults.len());
    let is_too_large = faults.iter().any(|fault| matches!(fault.flaw, Flaw::TooLarge { .. }));
    let status = if is_too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    json(status, &Rejected { error, events: shown(faults) })
}

fn shown(faults: &[Fault]) -> Vec<Refused> {
    let reason = |flaw: &Flaw| match flaw {
        Flaw::TooLarge { bytes, max_bytes } => format!("{bytes} bytes are too many: an event has {max_bytes} at most"),
        Flaw::Invalid(reason) => reason.clone(),
    };
    let first = faults.iter().take(MAX_FAULTS_SHOWN);
    first.map(|fault| Refused { index: fault.index, reason: reason(&fault.flaw) }).collect()
}

fn no_room(full: Full) -> Response {
    match full {
        Full::All => unavailable("too much is waiting for the broker: send it again later", RETRY_SECONDS),
        Full::Client => {
            let reason = "too much of yours is waiting: send it again later";
            retry_later(StatusCode::TOO_MANY_REQUESTS, reason, RETRY_SECONDS)
        }
    }
}

fn too_many_newcomers(wait: Duration) -> Response {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(RETRY_SECONDS);
    retry_later(StatusCode::TOO_MANY_REQUESTS, "too many sessions begin at your address: keep the cookie", seconds)
}

fn ending() -> Response {
    unavailable("not running at the moment: try again", RETRY_SECONDS)
}
