//! The same requests to the Java Connect worker and to Tributary, on one broker: status, content type and body must be
//! the same.
#![allow(clippy::unwrap_used)]

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{
    Answer, Connect, ConnectOptions, Kafka, RestClient, Tier, Tributary, WorkerOptions, require, unique,
};

/// What only the implementation decides: Tributary's own version and commit.
const OWN: [&str; 2] = ["version", "commit"];

#[tokio::test]
async fn errors_and_listings_of_an_empty_worker() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let java = Connect::start(kafka, ConnectOptions::default()).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours"))).await?;
    let (java, ours) = (java.rest(), ours.rest());

    let mut differences = Vec::new();
    for path in [
        "/",
        "/connectors",
        "/connectors?expand=status",
        "/connectors/none",
        "/connectors/none/config",
        "/connectors/none/status",
        "/connectors/none/tasks",
        "/connectors/none/tasks/0/status",
        "/connectors/none/topics",
        "/no/such/path",
    ] {
        compare(&mut differences, path, &java.get(path).await?, &ours.get(path).await?);
    }
    for (path, body) in [
        ("/connectors", json!({})),
        ("/connectors", json!({"name": "a"})),
        ("/connectors", json!({"name": "a", "config": {"name": "b", "connector.class": "FileStreamSource"}})),
        ("/connectors", json!({"name": "a", "config": {"connector.class": "NoSuchClass"}})),
        ("/connectors/none/restart", json!({})),
    ] {
        let (theirs, own) = post_both(&java, &ours, path, &body).await?;
        compare(&mut differences, &format!("POST {path} {body}"), &theirs, &own);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    Ok(())
}

async fn post_both(java: &RestClient, ours: &RestClient, path: &str, body: &Value) -> Result<(Answer, Answer)> {
    Ok((java.post(path, body).await?, ours.post(path, body).await?))
}

fn compare(differences: &mut Vec<String>, request: &str, java: &Answer, ours: &Answer) {
    let seen = |answer: &Answer| (answer.status, answer.header("content-type").map(str::to_owned), body(answer));
    let (java, ours) = (seen(java), seen(ours));
    if java != ours {
        differences.push(format!("{request}\n  java {java:?}\n  ours {ours:?}"));
    }
}

/// The body as JSON where it is JSON, so that the order of fields does not count.
fn body(answer: &Answer) -> Value {
    let mut body = serde_json::from_str(&answer.text).unwrap_or_else(|_| Value::String(answer.text.clone()));
    if let Some(fields) = body.as_object_mut() {
        for name in OWN.iter().filter(|_| answer.status == 200) {
            fields.entry(*name).and_modify(|value| *value = Value::Null);
        }
    }
    body
}

#[test]
fn another_status_or_message_is_a_difference() {
    let answer = |status: u16, text: &str| Answer { status, headers: Default::default(), text: text.to_owned() };
    let differences = |java: Answer, ours: Answer| {
        let mut found = Vec::new();
        compare(&mut found, "GET /", &java, &ours);
        found.len()
    };
    let body = r#"{"error_code":404,"message":"not here"}"#;
    let turned = r#"{"message":"not here","error_code":404}"#;
    assert_eq!(differences(answer(404, body), answer(404, turned)), 0);
    assert_eq!(differences(answer(404, body), answer(500, body)), 1);
    assert_eq!(differences(answer(404, body), answer(404, &body.replace("not", "nowhere"))), 1);
    assert_eq!(differences(answer(200, r#"{"version":"4"}"#), answer(200, r#"{"version":"0"}"#)), 0);
}
