use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::RESPONSE_LIMIT;
use crate::event::Event;

/// The longest body that is read at all.
const READ_LIMIT: usize = 10 * RESPONSE_LIMIT;

/// The Runtime API for one process, on a port of its own, as each of Lambda's execution environments has it.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    polled: watch::Receiver<bool>,
    events: mpsc::Sender<Delivery>,
    reply: mpsc::Receiver<RuntimeReply>,
    _serving: DropGuard,
}

/// An event on its way to the process.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Event,
    pub(crate) deadline: SystemTime,
    pub(crate) trace_id: String,
}

/// A reply of the process.
#[derive(Debug)]
pub(crate) enum RuntimeReply {
    Response(Bytes),
    ResponseTooLarge,
    Error {
        payload: Bytes,
        handled: bool,
    },
    /// It could not begin, and will end.
    InitError(Bytes),
}

#[derive(Debug)]
struct Shared {
    /// Whether the process waits for an event.
    polled: watch::Sender<bool>,
    events: Mutex<mpsc::Receiver<Delivery>>,
    /// The id of the event that it works on.
    current: StdMutex<Option<String>>,
    reply: mpsc::Sender<RuntimeReply>,
}

impl RuntimeApi {
    pub(crate) async fn serve(tracker: &TaskTracker) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for a function's process")?;
        let address = listener.local_addr()?;
        let (polled, polled_seen) = watch::channel(false);
        let (events, events_out) = mpsc::channel(1);
        let (reply, reply_out) = mpsc::channel(1);
        let shared = Shared { polled, events: Mutex::new(events_out), current: StdMutex::new(None), reply };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::new(shared));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tracker.spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router) => {
                    if let Err(error) = served {
                        tracing::warn!(%error, "a function's runtime api ended");
                    }
                }
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self { address, polled: polled_seen, events, reply: reply_out, _serving: stop.drop_guard() })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the process asks for an event; what it says instead, if it cannot begin.
    pub(crate) async fn polled(&mut self) -> Result<(), Option<RuntimeReply>> {
        tokio::select! {
            biased;
            // The other end lives as long as the server, which ends with this.
            polled = self.polled.wait_for(|polled| *polled) => polled.map(|_| ()).map_err(|_| None),
            reply = self.reply.recv() => Err(reply),
        }
    }

    /// Hands over an event; to be called when the process waits for one.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        let _ = self.events.try_send(delivery);
    }

    /// A reply of the process.next.
    pub(crate) async fn reply(&mut self) -> Option<RuntimeReply> {
        self.reply.recv().await
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let mut events = shared.events.lock().await;
    shared.polled.send_replace(true);
    let Some(delivery) = events.recv().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    shared.polled.send_replace(false);
    *shared.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery.event.request_id.clone());
    given(delivery)
}

fn given(delivery: Delivery) -> Response {
    let Delivery { event, deadline, trace_id } = delivery;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut headers = vec![
        ("lambda-runtime-aws-request-id", event.request_id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", event.function_arn),
        ("lambda-runtime-trace-id", trace_id),
        ("content-type", "application/json".to_owned()),
    ];
    headers.extend(event.client_context.map(|context| ("lambda-runtime-client-context", context)));
    let mut response = Response::new(Body::from(event.payload));
    for (name, value) in headers {
        // A client context may hold any JSON; what no header can carry stays away, as it does in Lambda.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Body) -> Response {
    if !shared.finish(&id) {
        return unknown();
    }
    match read(body).await {
        Some(payload) if payload.len() <= RESPONSE_LIMIT => shared.reply(RuntimeReply::Response(payload)),
        _ => {
            shared.reply(RuntimeReply::ResponseTooLarge);
            let body = json!({"errorMessage": "the response is too large", "errorType": "RequestEntityTooLarge"});
            (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response()
        }
    }
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<String>, headers: HeaderMap, body: Body) -> Response {
    if !shared.finish(&id) {
        return unknown();
    }
    let kind = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok());
    let handled = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("handled"));
    shared.reply(RuntimeReply::Error { payload: read(body).await.unwrap_or_default(), handled })
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    shared.reply(RuntimeReply::InitError(read(body).await.unwrap_or_default()))
}

impl Shared {
    /// Whether the event of this id is the one in work; then it no longer is.
    fn finish(&self, id: &str) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current == id).is_some()
    }

    fn reply(&self, reply: RuntimeReply) -> Response {
        // Full only if the process speaks out of turn, which changes nothing any more.
        let _ = self.reply.try_send(reply);
        (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
    }
}

async fn read(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, READ_LIMIT).await.ok()
}

fn unknown() -> Response {
    let body = json!({"errorMessage": "there is no invocation of this id in work", "errorType": "InvalidRequestID"});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
