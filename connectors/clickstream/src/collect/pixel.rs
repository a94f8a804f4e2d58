use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::endpoint::CollectEndpoint;
use crate::http::{Endpoint, empty, refuse, with_header};

/// A transparent image of one pixel.
const GIF: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
    \x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
/// Parameters that are not fields of the event.
const OTHER: [&str; 2] = ["token", "key"];
/// The parameter that holds whole events as JSON.
const DATA: &str = "data";

/// Takes an event from the query of an image's address, for pages and mails that cannot run a script. Answers as the
/// collector does, but for an image instead of its success.
#[derive(Debug)]
pub(super) struct PixelEndpoint(pub(super) Arc<CollectEndpoint>);

#[async_trait]
impl Endpoint for PixelEndpoint {
    async fn serve(&self, request: Request<Body>) -> Response {
        let (mut parts, _) = request.into_parts();
        if parts.method != Method::GET {
            let response = refuse(StatusCode::METHOD_NOT_ALLOWED, "request the image with GET");
            return with_header(response, ALLOW, "GET, OPTIONS");
        }
        for name in [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE] {
            parts.headers.remove(name);
        }
        let body = event(parts.uri.query().unwrap_or_default());
        let answer = self.0.take(parts, body.into()).await;
        if !answer.status().is_success() {
            return answer;
        }
        let (mut head, _) = answer.into_parts();
        head.headers.remove(CONTENT_TYPE);
        head.headers.remove(CACHE_CONTROL);
        let mut image = empty(head.status, Body::from(&GIF[..]));
        image.headers_mut().extend(head.headers);
        let image = with_header(image, CONTENT_TYPE, "image/gif");
        with_header(image, CACHE_CONTROL, "no-store, no-cache, must-revalidate")
    }
}

/// The body of a request with the same event.
fn event(query: &str) -> Vec<u8> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == DATA {
            return value.into_owned().into_bytes();
        }
        if OTHER.contains(&&*name) {
            continue;
        }
        let value = match value.parse::<i64>() {
            Ok(ms) if name == "ts" => Value::from(ms),
            _ => Value::from(value.into_owned()),
        };
        fields.insert(name.into_owned(), value);
    }
    // Writing text and numbers to memory cannot fail; an empty body would be refused.
    serde_json::to_vec(&fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_an_event_of_texts() {
        let json = |query: &str| String::from_utf8(event(query)).unwrap();
        assert_eq!(
            json("type=mail_opened&ts=5&n=7&a=b%20%22c+d&token=x&key=y"),
            r#"{"type":"mail_opened","ts":5,"n":"7","a":"b \"c d"}"#
        );
        assert_eq!(json("ts=soon&type"), r#"{"ts":"soon","type":""}"#);
        assert_eq!(json("data=%5B%7B%22type%22%3A%22x%22%7D%5D&type=y"), r#"[{"type":"x"}]"#);
        assert_eq!(json(""), "{}");
    }
}
