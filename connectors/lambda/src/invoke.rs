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

/// Letters of a function's own message that are shown.
const MESSAGE: usize = 2_000;

/// Sends events to functions, each once.
#[derive(Clone, Debug)]
pub(crate) struct Invoker {
    client: Client,
    settings: Arc<Settings>,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// There is nothing to be sent again.
    Ended(End),
    /// Lambda takes no more events for now, and says perhaps for how long.
    Throttled { after: Option<Duration>, reason: String },
    /// Lambda was not reached, or is in trouble. Nobody knows whether the function was invoked.
    Unavailable { status: Option<u16>, reason: String },
    /// No event will ever be taken: the function is not there, access is denied.
    Refused(Error),
}

/// What became of an event that was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// The function's answer; empty when it is not waited for.
    Answered(Vec<u8>),
    /// The function was invoked and failed.
    Failed(String),
    /// No answer came in the time that the user allows: the function may still work.
    TimedOut,
    /// Lambda does not take the event as it is: too large, or not understood.
    NotTaken(String),
}

impl Invoker {
    pub(crate) fn new(client: Client, settings: Arc<Settings>) -> Self {
        Self { client, settings }
    }

    /// Invokes a function. The key is the same whenever the same records are sent, and the function finds it in its
    /// client context as `tributary.idempotency.key`.
    pub(crate) async fn invoke(&self, function: &str, event: Vec<u8>, key: &str) -> Outcome {
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
            Err(_) => Outcome::Ended(End::TimedOut),
        }
    }

    /// Asks whether a function could be invoked; none when it could, or when nobody can say.
    pub(crate) async fn look(&self, function: &str, patience: Duration) -> Option<Error> {
        let request = self.client.invoke().function_name(function).invocation_type(InvocationType::DryRun);
        match timeout(patience, request.send()).await {
            Err(_) => Some(Error::config(format!("Lambda does not answer within {} s", patience.as_secs()))),
            Ok(Ok(_)) => None,
            Ok(Err(error)) if never_connected(&error) => Some(Error::config("cannot reach Lambda").cause(&error)),
            Ok(Err(error)) => match (status(&error), of_error(function, &error)) {
                (Some(401 | 403 | 404), Outcome::Refused(error)) => Some(error),
                _ => None,
            },
        }
    }
}

fn of_answer(function: &str, answer: InvokeOutput) -> Outcome {
    let id = answer.request_id().unwrap_or("unknown").to_owned();
    let Some(kind) = answer.function_error else {
        return Outcome::Ended(End::Answered(answer.payload.map(Blob::into_inner).unwrap_or_default()));
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
    Outcome::Ended(End::Failed(reason))
}

fn of_error(function: &str, error: &SdkError<InvokeError>) -> Outcome {
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
            Outcome::Ended(End::NotTaken(reason))
        }
        (Some(429), _) => Outcome::Throttled { after: retry_after(error), reason: throttle_reason(error, reason) },
        (Some(404), _) => Outcome::Refused(Error::fatal(format!(
            "there is no function {function}: create it, or correct its name and region ({reason})"
        ))),
        (Some(401 | 403), _) => Outcome::Refused(Error::fatal(format!(
            "Lambda refuses these credentials for function {function}: check the key, the role, the region and the \
             permission lambda:InvokeFunction ({reason})"
        ))),
        // A resource that is being made or changed, or a broken answer to what began as a success.
        (Some(200..=299 | 408 | 409 | 425 | 500..) | None, _) if !matches!(error, SdkError::ConstructionFailure(_)) => {
            Outcome::Unavailable { status: status.filter(|status| *status >= 300), reason }
        }
        _ => Outcome::Refused(Error::fatal(format!("Lambda refuses to invoke function {function}")).cause(error)),
    }
}

fn status(error: &SdkError<InvokeError>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whole seconds, in the header that AWS sends.
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
