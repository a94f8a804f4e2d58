use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

/// What a function is given.
#[derive(Clone, Debug)]
pub struct Event {
    /// The same for all attempts at one asynchronous event.
    pub request_id: String,
    /// The request's body.
    pub payload: Bytes,
    /// The JSON text of the request's client context; never with an asynchronous event.
    pub client_context: Option<String>,
    /// The ARN under which it was invoked, with the qualifier if there was one.
    pub function_arn: String,
}

impl Event {
    /// The payload as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }
}

/// How a function made of a closure ends. One that is to run into its time-out does not end.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It returns this.
    Response(Bytes),
    /// It reports an error.
    Error {
        /// `errorType` of the answer.
        kind: String,
        /// `errorMessage` of the answer.
        message: String,
        /// Whether the function itself says that it has handled the error.
        handled: bool,
    },
    /// Its process ends in the middle, with this exit status.
    Exit(i32),
}

impl Reply {
    /// It returns this value.
    pub fn json(value: &Value) -> Self {
        Self::Response(value.to_string().into())
    }

    /// It fails, as a handler does that returns an error.
    pub fn error(kind: &str, message: &str) -> Self {
        Self::Error { kind: kind.to_owned(), message: message.to_owned(), handled: false }
    }
}

/// The body of an answer that reports an error.
pub(crate) fn error_payload(kind: &str, message: &str) -> Bytes {
    json!({"errorType": kind, "errorMessage": message}).to_string().into()
}

type Running = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A function inside the test process.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Event) -> Running + Send + Sync>);

impl Handler {
    pub(crate) fn new<F, Answer>(handler: F) -> Self
    where
        F: Fn(Event) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Reply> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(handler(event))))
    }

    pub(crate) fn call(&self, event: Event) -> Running {
        (self.0)(event)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handler")
    }
}
