use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use serde::de::IgnoredAny;
use serde_json::Value;
use uuid::Uuid;

use crate::environment::{Ran, trace_id};
use crate::event::{Event, error_payload};
use crate::faults::Fault;
use crate::log::framed;
use crate::name::Target;
use crate::records::{Invocation, Kind, Outcome};
use crate::refusal::Refusal;
use crate::runs::{Runs, Task, invocation};
use crate::{ASYNC_LIMIT, RESPONSE_LIMIT, SYNC_LIMIT};

/// The longest request that is read to its end before it is refused.
const READ_LIMIT: usize = 64 << 20;
/// The longest `X-Amz-Client-Context`.
const CONTEXT_LIMIT: usize = 3583;

/// `POST /2015-03-31/functions/{FunctionName}/invocations?Qualifier=`
pub(crate) async fn invoke(
    State(runs): State<Arc<Runs>>,
    Path(function): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Infallible> {
    let request_id = Uuid::new_v4().to_string();
    let qualifier = query.into_iter().find(|(name, _)| name == "Qualifier").map(|(_, value)| value);
    // Also what is refused is read: a client that is still sending would see a broken connection, and no answer.
    let payload = axum::body::to_bytes(body, READ_LIMIT).await;
    let call = Call { function, qualifier, headers, request_id: request_id.clone() };
    let answer = match payload {
        Ok(payload) => answer(&runs, &call, payload).await,
        Err(_) => Err(Refusal::too_large(SYNC_LIMIT)),
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    set(&mut response, "x-amzn-requestid", &request_id);
    set(&mut response, "x-amzn-trace-id", &trace_id());
    Ok(response)
}

/// The request without its body.
struct Call {
    function: String,
    qualifier: Option<String>,
    headers: HeaderMap,
    request_id: String,
}

async fn answer(runs: &Arc<Runs>, call: &Call, payload: Bytes) -> Result<Response, Refusal> {
    let task = match understand(runs, call, payload.clone()) {
        Ok(task) => task,
        Err(refusal) => {
            runs.note(call.refused(payload), Outcome::Refused(refusal.status(), refusal.exception()));
            return Err(refusal);
        }
    };
    let refuse = |refusal: Refusal| {
        runs.note(invocation(&task, 1), Outcome::Refused(refusal.status(), refusal.exception()));
        Err(refusal)
    };
    let fault = runs.faults.take_for_call();
    match &fault {
        Some(Fault::Throttle { retry_after }) => {
            return refuse(Refusal::throttled("ReservedFunctionConcurrentInvocationLimitExceeded", *retry_after));
        }
        Some(Fault::Unavailable) => return refuse(Refusal::unavailable()),
        _ => {}
    }
    let response = match task.kind {
        Kind::DryRun => {
            runs.note(invocation(&task, 1), Outcome::Accepted);
            StatusCode::NO_CONTENT.into_response()
        }
        Kind::Async => {
            runs.queue(task);
            StatusCode::ACCEPTED.into_response()
        }
        Kind::Sync => {
            let slot = match task.pool.try_slot() {
                Ok(slot) => slot,
                Err(reason) => return refuse(Refusal::throttled(reason, Some(runs.retry_after))),
            };
            let tail = call.log_type()? == LogType::Tail;
            let answer = Answer { request_id: &call.request_id, version: &task.version.clone(), tail };
            let limit = task.pool.function().timeout;
            let Some(ran) = runs.run(task, slot).await else { return Err(Refusal::unavailable()) };
            answer.of(ran, limit.as_secs_f64())
        }
    };
    Ok(if matches!(fault, Some(Fault::CutOff)) { cut_off(response).await } else { response })
}

/// Checks the request in the order in which Lambda does.
fn understand(runs: &Runs, call: &Call, payload: Bytes) -> Result<Task, Refusal> {
    let authorization = call.text("authorization").unwrap_or_default();
    if !authorization.starts_with("AWS4-HMAC-SHA256 ") {
        return Err(Refusal::unsigned());
    }
    let target = Target::parse(&call.function, call.qualifier.as_deref())
        .ok_or_else(|| Refusal::bad_parameter("the function's name or qualifier is not valid"))?;
    let kind = call.kind()?;
    call.log_type()?;
    let client_context = call.client_context()?;
    match kind {
        Kind::Async if payload.len() > ASYNC_LIMIT => {
            return Err(Refusal::event_too_large(payload.len(), ASYNC_LIMIT));
        }
        _ if payload.len() > SYNC_LIMIT => return Err(Refusal::too_large(SYNC_LIMIT)),
        _ => {}
    }
    let pool = runs.pools.get(&target.name).ok_or_else(|| Refusal::not_found(&target))?;
    let version = pool.function().versions.get(target.qualifier()).ok_or_else(|| Refusal::not_found(&target))?;
    let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
        return Err(Refusal::bad_content(&format!("Could not parse request body into json: {error}")));
    }
    let event = Event {
        request_id: call.request_id.clone(),
        payload,
        // An asynchronous invocation takes it and does not hand it on.
        client_context: client_context.clone().filter(|_| kind == Kind::Sync),
        function_arn: target.arn(),
    };
    let (pool, version) = (Arc::clone(pool), version.clone());
    Ok(Task { function: target.name, pool, version, kind, client_context, event })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LogType {
    None,
    Tail,
}

impl Call {
    fn kind(&self) -> Result<Kind, Refusal> {
        match self.text("x-amz-invocation-type").unwrap_or("RequestResponse") {
            "RequestResponse" => Ok(Kind::Sync),
            "Event" => Ok(Kind::Async),
            "DryRun" => Ok(Kind::DryRun),
            other => Err(not_one_of("invocationType", other, "[Event, RequestResponse, DryRun]")),
        }
    }

    fn log_type(&self) -> Result<LogType, Refusal> {
        match self.text("x-amz-log-type").unwrap_or("None") {
            "None" => Ok(LogType::None),
            "Tail" => Ok(LogType::Tail),
            other => Err(not_one_of("logType", other, "[None, Tail]")),
        }
    }

    fn client_context(&self) -> Result<Option<String>, Refusal> {
        let Some(encoded) = self.text("x-amz-client-context") else { return Ok(None) };
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let object = |text: &String| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
        match decoded.filter(|text| encoded.len() <= CONTEXT_LIMIT && object(text)) {
            Some(text) => Ok(Some(text)),
            None => Err(Refusal::bad_content("Client context must be a valid Base64-encoded JSON object.")),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What is kept of a call that was not understood.
    fn refused(&self, payload: Bytes) -> Invocation {
        Invocation {
            function: self.function.clone(),
            request_id: self.request_id.clone(),
            kind: self.kind().unwrap_or(Kind::Sync),
            attempt: 1,
            payload,
            client_context: None,
            began: Instant::now(),
            ended: None,
            outcome: None,
        }
    }
}

fn not_one_of(parameter: &str, value: &str, values: &str) -> Refusal {
    Refusal::bad_parameter(&format!(
        "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: Member must satisfy \
         enum value set: {values}"
    ))
}

/// What the answer to a synchronous invocation says of it.
struct Answer<'a> {
    request_id: &'a str,
    version: &'a str,
    tail: bool,
}

impl Answer<'_> {
    /// 200 in any case: whether the function failed is said by a header.
    fn of(&self, ran: Ran, timeout_seconds: f64) -> Response {
        let id = self.request_id;
        let log = self.tail.then(|| STANDARD.encode(framed(id, self.version, &ran.printed, ran.took)));
        let failed = |kind: &str, message: String| (error_payload(kind, &message), Some("Unhandled"));
        let (payload, error) = match ran.outcome {
            Outcome::Response(payload) => (payload, None),
            Outcome::Error { payload, handled } => (payload, Some(if handled { "Handled" } else { "Unhandled" })),
            Outcome::TimedOut => failed(
                "Sandbox.Timedout",
                format!("RequestId: {id} Error: Task timed out after {timeout_seconds:.2} seconds"),
            ),
            Outcome::ResponseTooLarge => failed(
                "Function.ResponseSizeTooLarge",
                format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
            ),
            Outcome::Exited(reason) => failed("Runtime.ExitError", format!("RequestId: {id} Error: {reason}")),
            Outcome::Accepted | Outcome::Refused(..) => return Refusal::unavailable().into_response(),
        };
        let mut response = Response::new(Body::from(payload));
        set(&mut response, "content-type", "application/json");
        set(&mut response, "x-amz-executed-version", self.version);
        if let Some(error) = error {
            set(&mut response, "x-amz-function-error", error);
        }
        if let Some(log) = log {
            set(&mut response, "x-amz-log-result", &log);
        }
        response
    }
}

/// Half of the body, and then the connection ends.
async fn cut_off(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let payload = axum::body::to_bytes(body, READ_LIMIT).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, (payload.len() + 1).into());
    let half = payload.slice(..payload.len() / 2);
    let pieces = [Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    Response::from_parts(parts, Body::from_stream(stream::iter(pieces)))
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
