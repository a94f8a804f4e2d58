//! The front that tests take for Lambda beside two endpoints of other makes: the same calls, and where the answers differ,
//! why. A new version of one of them that answers otherwise fails here.

use anyhow::Result;
use lambda_front::{Function, Functions, LambdaFront, SYNC_LIMIT, beside};
use serde_json::Value;
use tributary_tests::{LambdaPeer, Tier, require};

/// A call: what it is named, the function if it is not the one that there is, a header, and the body.
type Call = (&'static str, Option<&'static str>, Option<(&'static str, &'static str)>, fn() -> String);

const CALLS: [Call; 8] = [
    ("success", None, None, || r#"{"a":1}"#.to_owned()),
    ("function error", None, None, || r#"{"fail":"no"}"#.to_owned()),
    ("log tail", None, Some(("x-amz-log-type", "Tail")), || r#"{"a":1}"#.to_owned()),
    ("event", None, Some(("x-amz-invocation-type", "Event")), || r#"{"a":1}"#.to_owned()),
    ("dry run", None, Some(("x-amz-invocation-type", "DryRun")), || r#"{"a":1}"#.to_owned()),
    ("no such function", Some("none"), None, || r#"{"a":1}"#.to_owned()),
    ("too large", None, None, || format!("\"{}\"", "x".repeat(SYNC_LIMIT))),
    ("no json", None, None, || "{".to_owned()),
];

/// What an SDK's client makes of an answer: status, `X-Amz-Function-Error`, the exception, and of the body what is fixed.
/// A request's id or a log is noted by its presence.
fn expected(call: &str) -> &'static str {
    match call {
        "success" => r#"200 id | {"a":1}"#,
        "function error" => "200 id Unhandled | no",
        "log tail" => r#"200 id log | {"a":1}"#,
        "event" => "202 id |",
        "dry run" => "204 id |",
        "no such function" => "404 id ResourceNotFoundException |",
        "too large" => "413 id RequestTooLargeException |",
        "no json" => "400 id InvalidRequestContentException |",
        _ => "",
    }
}

/// `(call, what it answers instead, why the front does not)`.
type Difference = (&'static str, &'static str, &'static str);

const NO_ID: &str = "it gives requests no id; Lambda always does";

const SERVERLESS_OFFLINE: [Difference; 8] = [
    ("success", r#"200 | {"a":1}"#, NO_ID),
    ("function error", "200 Unhandled | no", NO_ID),
    ("log tail", r#"200 | {"a":1}"#, "it keeps no logs; Lambda sends the last 4 KB"),
    ("event", "202 |", NO_ID),
    ("dry run", "400 InvalidParameterValueException |", "it says that it does not support it; Lambda answers 204"),
    ("no such function", "404 ResourceNotFoundException |", NO_ID),
    ("too large", "413 |", "its HTTP server refuses the body, without Lambda's exception"),
    ("no json", "500 |", "it fails at the body; Lambda answers 400 InvalidRequestContentException"),
];

const CARGO_LAMBDA: [Difference; 8] = [
    ("success", r#"200 | {"a":1}"#, NO_ID),
    ("function error", "500 | no", "the function's error is the call's; Lambda answers 200 and a header"),
    ("log tail", r#"200 | {"a":1}"#, "it shows logs in the terminal only"),
    (
        "event",
        r#"200 | {"a":1}"#,
        "it knows no invocation types and waits for the function; Lambda answers 202 at once",
    ),
    ("dry run", r#"200 | {"a":1}"#, "it knows no invocation types and runs the function; Lambda does not"),
    ("no such function", "404 |", "its message is for a developer, without Lambda's exception"),
    ("too large", "200 | (long)", "it has no limit; Lambda takes 6 MB"),
    ("no json", "500 | (other)", "the function gets the body as it is, and fails at it; Lambda does not run it"),
];

#[tokio::test]
async fn the_front_answers_as_lambda_does() -> Result<()> {
    let function = Function::process(beside("lambda-probe")?);
    let front = LambdaFront::start(Functions::new().with("probe", function)).await?;
    for call in &CALLS {
        assert_eq!(answer(&front.url(), "probe", call).await?, expected(call.0), "{}", call.0);
    }
    Ok(())
}

#[tokio::test]
async fn serverless_offline_differs_as_is_listed() -> Result<()> {
    if !require(Tier::ServerlessOffline)? {
        return Ok(());
    }
    compare(&LambdaPeer::serverless_offline().await?, &SERVERLESS_OFFLINE).await
}

#[tokio::test]
async fn cargo_lambda_differs_as_is_listed() -> Result<()> {
    if !require(Tier::CargoLambda)? {
        return Ok(());
    }
    compare(&LambdaPeer::cargo_lambda(&beside("lambda-probe")?).await?, &CARGO_LAMBDA).await
}

async fn compare(peer: &LambdaPeer, differences: &[Difference]) -> Result<()> {
    for call in &CALLS {
        let difference = differences.iter().find(|(name, ..)| *name == call.0);
        let (expected, reason) =
            difference.map_or_else(|| (expected(call.0), "no difference"), |(_, other, why)| (other, why));
        assert_eq!(answer(&peer.endpoint(), peer.function(), call).await?, expected, "{} ({reason})", call.0);
    }
    Ok(())
}

async fn answer(endpoint: &str, function: &str, call: &Call) -> Result<String> {
    let (_, other, header, body) = call;
    let url = format!("{endpoint}/2015-03-31/functions/{}/invocations", other.unwrap_or(function));
    let mut request = reqwest::Client::new().post(url).header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
    if let Some((name, value)) = header {
        request = request.header(*name, *value);
    }
    let response = request.body(body()).send().await?;
    let mut seen = vec![response.status().as_str().to_owned()];
    let of = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    seen.extend(of("x-amzn-requestid").map(|_| "id".to_owned()));
    seen.extend(of("x-amz-log-result").map(|_| "log".to_owned()));
    seen.extend(of("x-amz-function-error"));
    seen.extend(of("x-amzn-errortype"));
    seen.push("|".to_owned());
    seen.extend(gist(&response.bytes().await?));
    Ok(seen.join(" "))
}

/// The event that the function was given, or its error's message; nothing of an answer of the endpoint itself.
fn gist(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(event) = body.get("event") {
        let event = event.to_string();
        return Some(if event.len() > 1_000 { "(long)".to_owned() } else { event });
    }
    let message = body.get("errorMessage")?.as_str()?;
    Some(if message.len() > 40 { "(other)".to_owned() } else { message.to_owned() })
}
