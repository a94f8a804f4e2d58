//! `OPTIONS`, as the Java server's JAX-RS answers it: the methods in `Allow`, and as text for a client that accepts
//! text.

use axum::extract::Request;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// In the order of the answer.
const ORDER: [&str; 7] = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"];
const TEXT: &str = "text/plain";

/// An existing path with a method that it does not support; the router has set the supported ones in `Allow`.
pub(crate) async fn other(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::OK.into_response(),
        _ => ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED).into_response(),
    }
}

/// Answers `OPTIONS` with the methods that the router has set.
pub(crate) async fn list(request: Request, next: Next) -> Response {
    let accepted = (request.method() == Method::OPTIONS).then(|| preferred(request.headers()));
    let response = next.run(request).await;
    let named = response.headers().get(ALLOW).and_then(|methods| methods.to_str().ok());
    let (Some(accepted), Some(named), StatusCode::OK) = (accepted, named, response.status()) else { return response };
    let has = |method: &&str| *method == "OPTIONS" || named.split(',').any(|known| known.trim() == *method);
    let methods: Vec<&str> = ORDER.into_iter().filter(has).collect();
    let body = if accepted == TEXT { methods.join(", ") } else { String::new() };
    let (mut headers, allow) = (response.headers().clone(), methods.join(","));
    headers.remove(axum::http::header::CONTENT_LENGTH);
    let kind = HeaderValue::from_str(&accepted).unwrap_or(HeaderValue::from_static(TEXT));
    headers.insert(CONTENT_TYPE, kind);
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        headers.insert(ALLOW, allow);
    }
    (StatusCode::OK, headers, body).into_response()
}

/// The client's preferred type, text if it has no preference: by weight, then by specificity.
fn preferred(headers: &HeaderMap) -> String {
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut best = (f32::MIN, 0, TEXT);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
        let says = match kind {
            "*/*" => 0,
            kind if kind.ends_with("/*") => 1,
            _ => 2,
        };
        if (weight, says) > (best.0, best.1) || best.0 == f32::MIN {
            best = (weight, says, kind);
        }
    }
    match best.2 {
        "*/*" | "text/*" | "" => TEXT.to_owned(),
        kind => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_answer_is_text_unless_another_kind_is_preferred() {
        let preferred = |accept: &str| preferred(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert_eq!(super::preferred(&HeaderMap::new()), TEXT);
        for text in ["text/plain", "*/*", "text/*", "application/json;q=0.5, text/plain"] {
            assert_eq!(preferred(text), TEXT, "{text}");
        }
        for json in
            ["application/json", "application/json, */*", "*/*, application/json", "text/plain;q=0.5, application/json"]
        {
            assert_eq!(preferred(json), "application/json", "{json}");
        }
        assert_eq!(preferred("text/html"), "text/html");
    }
}
