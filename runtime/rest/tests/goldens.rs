//! The requests of `goldens/requests.json` against the router: each answer must be what Kafka Connect answered.
#![allow(clippy::unwrap_used)]

#[path = "goldens/request.rs"]
mod request;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;
use tributary_rest::{RestOptions, router};

use request::{GoldenRequest, without_position};
use support::Recorded;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    request: GoldenRequest,
    /// The call of the herder, or the calls, that the request must cause.
    call: Option<Value>,
    calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Answer {
    name: String,
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Case {
    fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.request.method.as_str()).uri(&self.request.path);
        // HTTP clients send it by themselves.
        if !self.request.headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", "127.0.0.1:18283");
        }
        for (name, value) in self.request.headers() {
            request = request.header(name, value);
        }
        request.body(Body::from(self.request.body().unwrap_or_default())).unwrap()
    }

    fn expected_calls(&self) -> Vec<Value> {
        self.calls.clone().unwrap_or_else(|| self.call.iter().cloned().collect())
    }
}

fn load() -> Vec<(Case, Answer)> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("goldens/requests.json")).unwrap();
    let answers: Vec<Answer> = serde_json::from_str(include_str!("goldens/recorded.json")).unwrap();
    assert_eq!(cases.len(), answers.len(), "record again");
    let pairs: Vec<_> = cases.into_iter().zip(answers).collect();
    assert!(pairs.iter().all(|(case, answer)| case.request.name == answer.name), "record again");
    pairs
}

/// The differences between the answer and the recorded one.
async fn differences(case: &Case, recorded: &Answer) -> Vec<String> {
    let body = serde_json::from_str(&recorded.body).unwrap_or(Value::Null);
    let herder = Arc::new(Recorded::new(recorded.status, body.clone()));
    let answer = router(herder.clone(), &RestOptions::default()).oneshot(case.request()).await.unwrap();
    let (parts, stream) = answer.into_parts();
    let text = String::from_utf8(to_bytes(stream, 1 << 20).await.unwrap().to_vec()).unwrap();

    let mut found = Vec::new();
    let mut check = |what: &str, expected: String, ours: String| {
        if expected != ours {
            found.push(format!("{}: {what}\n  Connect {expected}\n  ours    {ours}", case.request.name));
        }
    };
    check("status", recorded.status.to_string(), parts.status.as_u16().to_string());
    for (name, expected) in &recorded.headers {
        let ours = parts.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        match name.as_str() {
            "allow" => check(name, format!("{:?}", set(expected)), format!("{:?}", set(ours))),
            _ => check(name, expected.clone(), ours.to_owned()),
        }
    }
    let (expected, calls) = (Value::from(case.expected_calls()), Value::from(herder.calls.lock().unwrap().clone()));
    if expected != calls {
        check("calls", expected.to_string(), calls.to_string());
    }
    if case.request.body_differs.is_none() {
        let ours = serde_json::from_str(&text).unwrap_or(Value::Null);
        // Only the order of an object's fields may be another one.
        let same = normal(body.clone()) == normal(ours) && recorded.body.is_empty() == text.is_empty();
        let expected = if same { text.clone() } else { recorded.body.clone() };
        check("body", expected, text);
    }
    found
}

fn set(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).collect()
}

fn normal(mut body: Value) -> Value {
    if let Some(message) = body.get("message").and_then(Value::as_str) {
        body["message"] = Value::String(without_position(message));
    }
    body
}

#[tokio::test]
async fn every_answer_is_that_of_kafka_connect() {
    let mut found = Vec::new();
    for (case, recorded) in load() {
        found.extend(differences(&case, &recorded).await);
    }
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn another_status_header_body_or_call_is_a_difference() {
    let (case, mut recorded) = load().into_iter().find(|(case, _)| case.request.name == "create the source").unwrap();
    assert!(differences(&case, &recorded).await.is_empty());
    recorded.status = 200;
    assert_eq!(differences(&case, &recorded).await.len(), 1);
    recorded.status = 201;
    recorded.headers.insert("location".to_owned(), "/".to_owned());
    assert_eq!(differences(&case, &recorded).await.len(), 1);
    recorded.headers.remove("location");
    recorded.body = recorded.body.replace("\"tasks\":[]", "\"tasks\":[],\"more\":1");
    assert_eq!(differences(&case, &recorded).await.len(), 1);
    let uncalled = Case { call: None, ..case };
    assert_eq!(differences(&uncalled, &recorded).await.len(), 2);
}
