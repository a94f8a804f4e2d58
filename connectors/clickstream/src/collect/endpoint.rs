use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use serde::Serialize;
use tributary_api::time::now_ms;

use super::admission::Admission;
use super::body::{BodyError, receive};
use super::body_reader::{BodyReader, Content, InvalidEvent, ReadError};
use super::budget::{BudgetExhausted, Reservation};
use super::config::{CollectSettings, InvalidEvents, Limits};
use super::new_session_limit::NewSessionLimit;
use super::parse::{EventError, ParseError};
use super::pending::PendingRequests;
use super::requests::Outcome;
use super::sources::Sender;
use super::stamp::RequestContext;
use crate::http::{
    Client, Denied, Endpoint, SessionAuthenticator, json, refuse, retry_later, says_yes, unavailable, with_header,
};
use crate::session::{Session, TokenError};

const RETRY_SECONDS: u32 = 1;
const ENCODINGS: &str = "gzip, deflate, br, zstd";
/// At most this many invalid events of a request are listed.
const MAX_ERRORS_SHOWN: usize = 20;

/// Answers the requests of the collect path.
#[derive(Debug)]
pub(super) struct CollectEndpoint {
    authenticator: SessionAuthenticator,
    session_ttl_ms: i64,
    new_session_limit: NewSessionLimit,
    timeout: Duration,
    invalid: InvalidEvents,
    answers_early: bool,
    admission: Arc<Admission>,
    reader: Arc<BodyReader>,
    pending: Arc<PendingRequests>,
}

/// The answer to an accepted request.
#[derive(Debug, Serialize)]
struct Accepted {
    accepted: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Refused>,
}

/// The answer to a request with invalid events.
#[derive(Debug, Serialize)]
struct Rejected {
    error: String,
    events: Vec<Refused>,
}

/// What is wrong with one event.
#[derive(Debug, Serialize)]
struct Refused {
    /// Its index in the request, from 0.
    index: usize,
    reason: String,
}

impl CollectEndpoint {
    pub(super) fn new(settings: &CollectSettings, admission: Admission, pending: Arc<PendingRequests>) -> Self {
        let admission = Arc::new(admission);
        Self {
            authenticator: settings.http.authenticator.clone(),
            session_ttl_ms: settings.session_ttl_ms,
            new_session_limit: NewSessionLimit::new(settings.new_sessions),
            timeout: settings.request_timeout,
            invalid: settings.invalid.clone(),
            answers_early: settings.answers_early,
            reader: Arc::new(BodyReader::new(settings, admission.clone())),
            admission,
            pending,
        }
    }

    /// The session of the request, on its device, with the cookies that set them in the browser: without a token it is a new
    /// one.
    fn visitor(&self, parts: &Parts, client: Client, now: i64) -> Result<(Session, [Option<String>; 2]), Response> {
        let (session, cookie) = self.session(parts, client, now)?;
        if !self.authenticator.is_by_cookie(parts) {
            return Ok((session, [cookie, None]));
        }
        let (session, device) = self.authenticator.keep_device(session, parts, now);
        Ok((session, [cookie, device]))
    }

    fn session(&self, parts: &Parts, client: Client, now: i64) -> Result<(Session, Option<String>), Response> {
        match self.authenticator.session(parts) {
            Ok(session) => Ok((session, None)),
            Err(Denied::Absent | Denied::Invalid { error: TokenError::Expired, from_cookie: true }) => {
                self.new_session_limit.admit(client).map_err(too_many_sessions)?;
                let (session, cookie) = self.authenticator.begin(now, self.session_ttl_ms);
                Ok((session, Some(cookie)))
            }
            Err(denied) => Err(self.authenticator.denial(&denied)),
        }
    }

    async fn collect(
        &self,
        parts: &Parts,
        body: Body,
        context: &RequestContext,
        sender: Option<Sender<'_>>,
        mut reservation: Reservation,
    ) -> Response {
        let limits = self.reader.limits();
        let body = match receive(&parts.headers, body, limits.wire_bytes, &mut reservation).await {
            Ok(body) => body,
            Err(error) => return refuse_body(error),
        };
        if let Some(Err(error)) = sender.map(|sender| sender.verify(&body.bytes)) {
            return refuse(StatusCode::UNAUTHORIZED, error.reason());
        }
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lines = content_type.contains("ndjson") || content_type.contains("jsonl");
        let content = match self.reader.read(body, lines, context, reservation).await {
            Ok(content) => content,
            Err(ReadError::Body(error)) => return refuse_body(error),
            Err(ReadError::Events(error)) => return refuse_events(error, limits),
            Err(ReadError::Ending) => return ending(),
        };
        let events = content.accepted + content.invalid.len();
        if let Some(Err(wait)) = sender.map(|sender| self.admission.sources.admit(sender, events)) {
            return too_many(wait, "too many events of this source: send them again later");
        }
        let is_refused = match self.invalid {
            InvalidEvents::Reject => !content.invalid.is_empty(),
            InvalidEvents::Skip => !content.invalid.is_empty() && content.accepted == 0,
            InvalidEvents::Topic(_) => false,
        };
        if is_refused {
            tracing::debug!(bad = content.invalid.len(), events, "request with bad events refused");
            return rejected(&content.invalid);
        }
        self.store(content).await
    }

    async fn store(&self, content: Content) -> Response {
        let Content { records, accepted, invalid, reservation } = content;
        if self.answers_early && !records.is_empty() {
            if !self.pending.submit_answered(records, reservation) {
                return ending();
            }
            return json(StatusCode::ACCEPTED, &Accepted { accepted, rejected: shown(&invalid) });
        }
        if !records.is_empty() {
            let Some(answered) = self.pending.submit(records, reservation) else { return ending() };
            match answered.await {
                Ok(Outcome::Stored) => {}
                Ok(Outcome::Unstorable) => {
                    let reason = "an event cannot be stored as it is: do not send it again";
                    return refuse(StatusCode::UNPROCESSABLE_ENTITY, reason);
                }
                Ok(Outcome::Failed) => {
                    return unavailable("the broker did not accept the events: send them again", RETRY_SECONDS);
                }
                Ok(Outcome::Refused) | Err(_) => return ending(),
            }
        }
        if !invalid.is_empty() {
            tracing::debug!(bad = invalid.len(), accepted, "bad events left out");
        }
        json(StatusCode::OK, &Accepted { accepted, rejected: shown(&invalid) })
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
        self.take(parts, body).await
    }
}

impl CollectEndpoint {
    /// Takes the events of a body.
    pub(super) async fn take(&self, parts: Parts, body: Body) -> Response {
        let received_at = now_ms();
        let sender = match self.admission.sources.sender(&parts, received_at) {
            Ok(sender) => sender,
            Err(error) => return refuse(StatusCode::UNAUTHORIZED, error.reason()),
        };
        let client = Client::of_request(&parts);
        let (session, cookies) = match self.visitor(&parts, client, received_at) {
            Ok(visitor) => visitor,
            Err(response) => return response,
        };
        let (dnt, gpc) = (says_yes(&parts, "dnt"), says_yes(&parts, "sec-gpc"));
        let bot = self.admission.bots.is_bot(&parts.headers);
        let source = sender.map(|sender| sender.name().clone());
        let context = RequestContext { person: session.person(), session, received_at, dnt, gpc, bot, source };
        let reservation = self.pending.budget().reserve(client);
        let answer = self.collect(&parts, body, &context, sender, reservation);
        let response = match tokio::time::timeout(self.timeout, answer).await {
            Ok(response) => response,
            Err(_) => unavailable("the events were not stored in time: send them again", RETRY_SECONDS),
        };
        cookies.iter().flatten().fold(response, |response, cookie| with_header(response, SET_COOKIE, cookie))
    }
}

fn refuse_body(error: BodyError) -> Response {
    match error {
        BodyError::TooLong { max_bytes } => {
            let reason = format!("the body is longer than {max_bytes} bytes: send several requests");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &reason)
        }
        BodyError::TooDense { ratio } => {
            let reason = format!("the body is more than {ratio} times as long when decompressed: send it plain");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &reason)
        }
        BodyError::Encoding => {
            let reason = "send the body plain or in one of the encodings gzip, deflate, br and zstd";
            with_header(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason), ACCEPT_ENCODING, ENCODINGS)
        }
        BodyError::Bad(reason) => refuse(StatusCode::BAD_REQUEST, &reason),
        BodyError::TooSlow => refuse(StatusCode::REQUEST_TIMEOUT, "the body is sent too slowly: send smaller requests"),
        BodyError::BudgetExhausted(full) => no_room(full),
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
        ParseError::BudgetExhausted(full) => no_room(full),
    }
}

/// 413 if an event is too large, so that a client can split or shorten it; otherwise 400.
fn rejected(invalid: &[InvalidEvent]) -> Response {
    let error = format!("{} bad events, none was taken: correct or leave them out", invalid.len());
    let is_too_large = invalid.iter().any(|invalid_event| matches!(invalid_event.error, EventError::TooLarge { .. }));
    let status = if is_too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    json(status, &Rejected { error, events: shown(invalid) })
}

fn shown(invalid: &[InvalidEvent]) -> Vec<Refused> {
    let first = invalid.iter().take(MAX_ERRORS_SHOWN);
    first
        .map(|invalid_event| Refused { index: invalid_event.index, reason: invalid_event.error.reason().into_owned() })
        .collect()
}

fn no_room(full: BudgetExhausted) -> Response {
    match full {
        BudgetExhausted::All => {
            unavailable("too many events are waiting for the broker: send them again later", RETRY_SECONDS)
        }
        BudgetExhausted::Client => {
            let reason = "too many events from your address are waiting: send them again later";
            retry_later(StatusCode::TOO_MANY_REQUESTS, reason, RETRY_SECONDS)
        }
    }
}

fn too_many_sessions(wait: Duration) -> Response {
    too_many(wait, "too many new sessions from your address: keep the cookie")
}

fn too_many(wait: Duration, reason: &str) -> Response {
    let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(RETRY_SECONDS);
    retry_later(StatusCode::TOO_MANY_REQUESTS, reason, seconds)
}

fn ending() -> Response {
    unavailable("not running at the moment: retry later", RETRY_SECONDS)
}
