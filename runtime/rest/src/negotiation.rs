use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// Requests and responses are JSON: 415 for a body of another type, 406 for a client that does not accept JSON.
pub(crate) async fn json_only(request: Request, next: Next) -> Response {
    let refused = match request.headers() {
        // `OPTIONS` is answered as text too.
        _ if request.method() == Method::OPTIONS => None,
        headers if !sends_json(headers) => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        headers if !takes_json(headers) => Some(StatusCode::NOT_ACCEPTABLE),
        _ => None,
    };
    match refused {
        Some(status) => ApiError::of_status(status).into_response(),
        None => next.run(request).await,
    }
}

fn sends_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| value.to_str().is_ok_and(|value| is_json(essence(value))))
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if accepted.peek().is_none() {
        return true;
    }
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let kind = essence(range);
        (is_json(kind) || kind == "*/*" || kind.eq_ignore_ascii_case("application/*") || kind.is_empty())
            && !is_refused(range)
    })
}

fn is_json(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("application/json")
}

/// `application/json` of `application/json; charset=utf-8`.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// A weight of zero means not acceptable.
fn is_refused(range: &str) -> bool {
    let weight = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    weight.and_then(|weight| weight.trim().parse::<f32>().ok()) == Some(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn json_is_accepted_by_name_by_range_or_without_accept_header() {
        let takes = |accept: &str| takes_json(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert!(takes_json(&HeaderMap::new()));
        assert!(takes("application/json") && takes("*/*") && takes("text/html, application/*;q=0.5"));
        assert!(!takes("text/html") && !takes("text/html, application/json;q=0") && !takes("application/xml"));
    }

    #[test]
    fn a_body_is_json_with_any_charset() {
        let sends = |kind: &str| sends_json(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]));
        assert!(sends("application/json") && sends("Application/JSON;charset=utf-8"));
        assert!(!sends("text/plain") && !sends("application/x-www-form-urlencoded"));
    }
}
