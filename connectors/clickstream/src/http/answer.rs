use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

/// A JSON answer that no cache keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // The bodies are plain structs: serialising them cannot fail.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let response = with_header(empty(status, Body::from(body)), CONTENT_TYPE, "application/json");
    with_header(response, CACHE_CONTROL, "no-store")
}

/// An answer with a reason: `{"error": reason}`.
pub(crate) fn refuse(status: StatusCode, reason: &str) -> Response {
    #[derive(Serialize)]
    struct Refusal<'a> {
        error: &'a str,
    }
    json(status, &Refusal { error: reason })
}

/// 503 with `Retry-After`.
pub(crate) fn unavailable(reason: &str, retry_after_seconds: u32) -> Response {
    retry_later(StatusCode::SERVICE_UNAVAILABLE, reason, retry_after_seconds)
}

/// An answer with a reason and `Retry-After`.
pub(crate) fn retry_later(status: StatusCode, reason: &str, seconds: u32) -> Response {
    with_header(refuse(status, reason), RETRY_AFTER, &seconds.to_string())
}

/// An answer without headers.
pub(crate) fn empty(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// The same answer with one more header; a value that is no valid header value is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}
