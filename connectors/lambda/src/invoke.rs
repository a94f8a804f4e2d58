use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tributary_api::Error;

use crate::config::{Mode, Settings};
use crate::http::never_connected;

/// How many characters of a function's error message are shown.
const MESSAGE: usize = 2_000;

/// Sends events to functions, each once.
#[derive(Clone, Debug)]
pub(crate) struct Invoker {
    client: Client,
    settings: Arc<Settings>,
}

/// The outcome of one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RequestOutcome {
    /// The invocation has ended: nothing is to be sent again.
    Ended(InvocationResult),
    /// Lambda throttles, possibly with a time to wait.
    Throttled { after: Option<Duration>, reason: String },
    /// Lambda was not reached or failed: it is not known whether the function was invoked.
    Unavailable { status: Option<u16>, reason: String },
    /// No event will be accepted: the function does not exist or access is denied.
    Refused(Error),
}

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InvocationResult {
    /// The function's answer; empty for an asynchronous invocation.
    Answered(Vec<u8>),
    /// The function was invoked and failed.
    Failed(String),
    /// No answer came within the timeout: the function may still be running.
    TimedOut,
    /// Lambda rejects this event: too large, or malformed.
    NotTaken(String),
}

impl Invoker {
    pub(crate) fn new(client: Client, settings: Arc<Settings>) -> Self {
        Self { client, settings }
    }

    /// Invokes a function. The key is the same whenever the same records are sent, and the function finds it in its
    /// client context as `tributary.idempotency.key`.
    pub(crate) async fn invoke(&self, function: &str, event: Vec<u8>, key: &str) -> RequestOutcome {
        let waits = self.settings.mode == Mode::Sync;
        let context = json!({"custom": {"tributary.idempotency.key": key}}).to_string();
        let request = self
            .client
            .invoke()
            .function_name(function)
            .invocation_type(if waits { InvocationType::RequestResponse } else { InvocationType::Event })
            .set_log_type((waits && self.settings.log_tail).then_some(LogType::Tail))
            .client_context(BASE64.encode(context))
            .payload(Blob::new(event));
        match timeout(self.settings.access.timeout, request.send()).await {
            Ok(Ok(answer)) => of_answer(function, answer),
            Ok(Err(error)) => of_error(function, &error),
            Err(_) => RequestOutcome::Ended(InvocationResult::TimedOut),
        }
    }

    /// Asks by a dry run whether a function can be invoked; none when it can, or when this is unknown.
    pub(crate) async fn dry_run(&self, function: &str, limit: Duration) -> Option<Error> {
        let request = self.client.invoke().function_name(function).invocation_type(InvocationType::DryRun);
        match timeout(limit, request.send()).await {
            Err(_) => Some(Error::config(format!("Lambda does not respond within {} s", limit.as_secs()))),
            Ok(Ok(_)) => None,
            Ok(Err(error)) if never_connected(&error) => Some(Error::config("cannot reach Lambda").cause(&error)),
            Ok(Err(error)) => match (status(&error), of_error(function, &error)) {
                (Some(401 | 403 | 404), RequestOutcome::Refused(error)) => Some(error),
                _ => None,
            },
        }
    }
}

fn of_answer(function: &str, answer: InvokeOutput) -> RequestOutcome {
    let id = answer.request_id().unwrap_or("unknown").to_owned();
    let Some(kind) = answer.function_error else {
        return RequestOutcome::Ended(InvocationResult::Answered(
            answer.payload.map(Blob::into_inner).unwrap_or_default(),
        ));
    };
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    let said: Json = serde_json::from_slice(&payload).unwrap_or_default();
    let part = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let mut reason = format!("function {function} failed ({kind}, request {id})");
    match (part("errorType"), part("errorMessage")) {
        (kind, message) if kind.is_empty() && message.is_empty() => {
            reason.push_str(": ");
            reason.extend(String::from_utf8_lossy(&payload).chars().take(MESSAGE));
        }
        (kind, message) => {
            reason.push_str(&format!(": {kind}: "));
            reason.extend(message.chars().take(MESSAGE));
        }
    }
    if let Some(log) = answer.log_result.and_then(|log| BASE64.decode(log).ok()) {
        reason.push_str("; its log ends with: ");
        reason.push_str(String::from_utf8_lossy(&log).trim_end());
    }
    RequestOutcome::Ended(InvocationResult::Failed(reason))
}

fn of_error(function: &str, error: &SdkError<InvokeError>) -> RequestOutcome {
    let (code, message) = match error.as_service_error() {
        Some(service) => (service.code().unwrap_or_default(), service.message().unwrap_or_default()),
        None => ("", ""),
    };
    let status = status(error);
    let reason = match status {
        Some(status) => format!("{status} {code}: {message}"),
        None => Error::retriable("no answer").cause(error).to_string(),
    };
    match (status, code) {
        (Some(413), _) | (_, "RequestTooLargeException" | "InvalidRequestContentException") => {
            RequestOutcome::Ended(InvocationResult::NotTaken(reason))
        }
        (Some(429), _) => {
            RequestOutcome::Throttled { after: retry_after(error), reason: throttle_reason(error, reason) }
        }
        (Some(404), _) => RequestOutcome::Refused(Error::fatal(format!(
            "there is no function {function}: create it, or correct its name and region ({reason})"
        ))),
        (Some(401 | 403), _) => RequestOutcome::Refused(Error::fatal(format!(
            "Lambda refuses these credentials for function {function}: check the key, the role, the region and the \
             permission lambda:InvokeFunction ({reason})"
        ))),
        // A resource that is being created or updated, or a broken response with a success status.
        (Some(200..=299 | 408 | 409 | 425 | 500..) | None, _) if !matches!(error, SdkError::ConstructionFailure(_)) => {
            RequestOutcome::Unavailable { status: status.filter(|status| *status >= 300), reason }
        }
        _ => {
            RequestOutcome::Refused(Error::fatal(format!("Lambda refuses to invoke function {function}")).cause(error))
        }
    }
}

fn status(error: &SdkError<InvokeError>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The `Retry-After` header, in whole seconds.
fn retry_after(error: &SdkError<InvokeError>) -> Option<Duration> {
    let header = error.raw_response()?.headers().get("retry-after")?;
    header.trim().parse().ok().map(Duration::from_secs)
}

fn throttle_reason(error: &SdkError<InvokeError>, otherwise: String) -> String {
    match error.as_service_error() {
        Some(InvokeError::TooManyRequestsException(throttled)) => {
            throttled.reason().map_or(otherwise, |reason| reason.as_str().to_owned())
        }
        _ => otherwise,
    }
}
