use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::name::Target;

/// An error of the Invoke API: a status, an exception, and a message in the field that the exception has for it.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    exception: &'static str,
    body: Value,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn unsigned() -> Self {
        let body = json!({"message": "Missing Authentication Token"});
        Self::new(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", body)
    }

    pub(crate) fn not_found(target: &Target) -> Self {
        // This exception writes its message with a capital letter, others do not.
        let body = json!({"Type": "User", "Message": format!("Function not found: {}", target.arn())});
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", body)
    }

    pub(crate) fn bad_parameter(message: &str) -> Self {
        Self::user(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message)
    }

    pub(crate) fn bad_content(message: &str) -> Self {
        Self::user(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
    }

    /// 413 of a synchronous invocation.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request must be smaller than {limit} bytes for the InvokeFunction operation");
        Self::user(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
    }

    /// 413 of an asynchronous invocation.
    pub(crate) fn event_too_large(length: usize, limit: usize) -> Self {
        let message = format!("{length} byte payload is too large for the Event invocation type (limit {limit} bytes)");
        Self::user(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &message)
    }

    /// 429, for want of what `reason` names.
    pub(crate) fn throttled(reason: &str, retry_after: Option<Duration>) -> Self {
        let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", body);
        Self { retry_after, ..refusal }
    }

    pub(crate) fn unavailable() -> Self {
        let body = json!({"Type": "Service", "Message": "An error occurred and the request cannot be processed."});
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", body)
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn exception(&self) -> &'static str {
        self.exception
    }

    fn user(status: StatusCode, exception: &'static str, message: &str) -> Self {
        Self::new(status, exception, json!({"Type": "User", "message": message}))
    }

    fn new(status: StatusCode, exception: &'static str, body: Value) -> Self {
        Self { status, exception, body, retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        headers.insert("x-amzn-errortype", header::HeaderValue::from_static(self.exception));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}
