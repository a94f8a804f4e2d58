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

use super::body::{self, BodyError};
use super::budget::Reservation;
use super::config::{CollectSettings, Limits};
use super::intake::Intake;
use super::parse::{ParseError, parse};
use super::requests::Outcome;
use super::stamp::{Stamper, Visit};
use crate::http::{Denied, Endpoint, Gate, json, now_ms, refuse, unavailable, with_header};
use crate::session::{Session, TokenError};

const RETRY_SECONDS: u32 = 1;
/// So many bad events of a request are named.
const MAX_FAULTS_SHOWN: usize = 20;

/// Answers the requests of the collect path.
#[derive(Debug)]
pub(super) struct CollectEndpoint {
    gate: Gate,
    session_ttl_ms: i64,
    timeout: Duration,
    limits: Limits,
    skip_invalid: bool,
    stamper: Stamper,
    intake: Arc<Intake>,
}

/// The answer to a request that was taken.
#[derive(Debug, Serialize)]
struct Accepted {
    accepted: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Fault>,
}

/// The answer to a request with bad events.
#[derive(Debug, Serialize)]
struct Rejected {
    error: String,
    events: Vec<Fault>,
}

/// What is wrong with one event.
#[derive(Debug, Serialize)]
struct Fault {
    /// Its place in the request, from 0.
    index: usize,
    reason: String,
}

impl CollectEndpoint {
    pub(super) fn new(settings: &CollectSettings, intake: Arc<Intake>) -> Self {
        Self {
            gate: settings.http.gate.clone(),
            session_ttl_ms: settings.session_ttl_ms,
            timeout: settings.request_timeout,
            limits: settings.limits,
            skip_invalid: settings.skip_invalid,
            stamper: Stamper { topic: settings.topic.clone(), key_field: settings.key_field.clone() },
            intake,
        }
    }

    /// Whose request it is; a new session if nobody's, with the cookie that tells the browser.
    fn visitor(&self, parts: &Parts, now: i64) -> Result<(Session, Option<String>), Response> {
        match self.gate.session(parts) {
            Ok(session) => Ok((session, None)),
            Err(Denied::Absent | Denied::Invalid { error: TokenError::Expired, from_cookie: true }) => {
                let session = Session::anonymous(now.saturating_add(self.session_ttl_ms));
                let token = self.gate.signer.issue(&session);
                Ok((session, Some(self.gate.cookie.set(&token, self.session_ttl_ms / 1000))))
            }
            Err(denied) => Err(self.gate.denial(&denied)),
        }
    }

    async fn collect(&self, parts: &Parts, body: Body, visit: &Visit) -> Response {
        let mut room = self.intake.budget().reserve();
        let text = match body::read(&parts.headers, body, self.limits, &mut room).await {
            Ok(text) => text,
            Err(error) => return refuse_body(error),
        };
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lines = content_type.contains("ndjson") || content_type.contains("jsonl");
        let parsed = match parse(&text, lines, self.limits.events) {
            Ok(parsed) => parsed,
            Err(ParseError::Bad(reason)) => return refuse(StatusCode::BAD_REQUEST, &reason),
            Err(ParseError::TooMany) => {
                let reason = format!("more than {} events: send several requests", self.limits.events);
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, &reason);
            }
        };
        if room.grow(parsed.bytes).is_err() || room.add_events(parsed.events.len()).is_err() {
            return full();
        }
        let mut records = Vec::with_capacity(parsed.events.len());
        let mut faults = Vec::new();
        for (index, event) in parsed.events.into_iter().enumerate() {
            match event.and_then(|event| self.stamper.record(event, visit)) {
                Ok(record) => records.push(record),
                Err(reason) => faults.push(Fault { index, reason }),
            }
        }
        if !faults.is_empty() && (records.is_empty() || !self.skip_invalid) {
            tracing::debug!(
                bad = faults.len(),
                events = faults.len() + records.len(),
                "request with bad events refused"
            );
            return rejected(faults);
        }
        self.store(records, faults, room).await
    }

    async fn store(&self, records: Vec<Record>, faults: Vec<Fault>, room: Reservation) -> Response {
        let accepted = records.len();
        if accepted > 0 {
            let Some(answered) = self.intake.submit(records, room) else { return ending() };
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
        json(StatusCode::OK, &Accepted { accepted, rejected: faults })
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
        let (session, cookie) = match self.visitor(&parts, received_at) {
            Ok(visitor) => visitor,
            Err(response) => return response,
        };
        let says_yes = |name: &str| parts.headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
        let (dnt, gpc) = (says_yes("dnt"), says_yes("sec-gpc"));
        let visit = Visit { person: session.person(), session, received_at, dnt, gpc };
        let response = match tokio::time::timeout(self.timeout, self.collect(&parts, body, &visit)).await {
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
        BodyError::Full => full(),
    }
}

fn rejected(mut events: Vec<Fault>) -> Response {
    let error = format!("{} bad events, none was taken: correct or leave them out", events.len());
    events.truncate(MAX_FAULTS_SHOWN);
    json(StatusCode::BAD_REQUEST, &Rejected { error, events })
}

fn full() -> Response {
    unavailable("too much is waiting for the broker: send it again later", RETRY_SECONDS)
}

fn ending() -> Response {
    unavailable("not running at the moment: try again", RETRY_SECONDS)
}
