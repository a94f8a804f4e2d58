//! The front with a real function before it, seen as bytes and through the SDK.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_front::{
    ASYNC_LIMIT, Fault, Function, Functions, Kind, LambdaFront, Outcome, RESPONSE_LIMIT, Reply, SYNC_LIMIT,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

fn probe() -> Function {
    Function::process(env!("CARGO_BIN_EXE_lambda-probe")).timeout(Duration::from_secs(20))
}

async fn front(function: Function) -> LambdaFront {
    LambdaFront::start(Functions::new().with("probe", function)).await.unwrap()
}

fn sdk(front: &LambdaFront) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
        .endpoint_url(front.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_lambda::Client::from_conf(config)
}

/// An answer as it goes over the wire.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

async fn post(front: &LambdaFront, function: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let url = format!("{}/2015-03-31/functions/{function}/invocations", front.url());
    let mut request = reqwest::Client::new().post(url).header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body.into()).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "{what} did not happen within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_function_is_run_and_its_process_kept() {
    let front = front(probe().alias("live", "7")).await;
    let context = STANDARD.encode(r#"{"custom":{"attempt":"1"}}"#);
    let first = post(&front, "probe", &[("x-amz-client-context", &context)], r#"{"a":1}"#).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(first.header("x-amz-function-error"), None);
    assert_eq!(first.header("x-amz-log-result"), None);
    let said = first.json();
    assert_eq!(said["event"], json!({"a": 1}));
    assert_eq!(said["custom"], json!({"attempt": "1"}));
    assert_eq!(said["request"].as_str(), first.header("x-amzn-requestid"));
    assert_eq!(said["arn"], "arn:aws:lambda:us-east-1:123456789012:function:probe");

    let second = post(&front, "arn:aws:lambda:us-east-1:123456789012:function:probe", &[], "").await;
    assert_eq!(
        (second.json()["process"].clone(), second.json()["event"].clone()),
        (said["process"].clone(), json!({}))
    );
    let live = post(&front, "probe:live", &[], "{}").await;
    assert_eq!((live.header("x-amz-executed-version"), live.json()["version"].as_str()), (Some("7"), Some("7")));
    assert_ne!(live.json()["process"], said["process"]);
    let live = post(&front, "probe/invocations?Qualifier=live&ignored=", &[], "{}").await;
    assert_eq!(live.header("x-amz-executed-version"), Some("7"));
}

#[tokio::test]
async fn a_function_that_fails_is_a_success_of_the_call() {
    let front = front(probe().timeout(Duration::from_secs(4))).await;
    let failed = post(&front, "probe", &[("x-amz-log-type", "Tail")], r#"{"print":"hello","fail":"no"}"#).await;
    assert_eq!((failed.status, failed.header("x-amz-function-error")), (200, Some("Unhandled")));
    assert_eq!(failed.json(), json!({"errorType": "ProbeError", "errorMessage": "no"}));
    let log = String::from_utf8(STANDARD.decode(failed.header("x-amz-log-result").unwrap()).unwrap()).unwrap();
    let id = failed.header("x-amzn-requestid").unwrap();
    assert!(log.starts_with(&format!("START RequestId: {id} Version: $LATEST\nhello\nEND RequestId: {id}\n")), "{log}");

    let crashed = post(&front, "probe", &[], r#"{"exit":3}"#).await;
    let id = crashed.header("x-amzn-requestid").unwrap();
    assert_eq!((crashed.status, crashed.header("x-amz-function-error")), (200, Some("Unhandled")));
    let message = format!("RequestId: {id} Error: Runtime exited with error: exit status 3");
    assert_eq!(crashed.json(), json!({"errorType": "Runtime.ExitError", "errorMessage": message}));

    let hung = post(&front, "probe", &[], r#"{"sleep":60000}"#).await;
    let id = hung.header("x-amzn-requestid").unwrap();
    assert_eq!((hung.status, hung.header("x-amz-function-error")), (200, Some("Unhandled")));
    let message = format!("RequestId: {id} Error: Task timed out after 4.00 seconds");
    assert_eq!(hung.json(), json!({"errorType": "Sandbox.Timedout", "errorMessage": message}));

    let ended: Vec<_> = front.invocations().into_iter().map(|one| one.outcome.unwrap()).collect();
    assert!(matches!(&ended[..], [Outcome::Error { handled: false, .. }, Outcome::Exited(_), Outcome::TimedOut]));
    assert_eq!(post(&front, "probe", &[], "{}").await.header("x-amz-function-error"), None);
}

#[tokio::test]
async fn a_function_that_cannot_begin_fails_each_call() {
    let front = front(probe().env("PROBE_INIT_FAILS", "1")).await;
    let failed = post(&front, "probe", &[], "{}").await;
    assert_eq!((failed.status, failed.header("x-amz-function-error")), (200, Some("Unhandled")));
    assert_eq!(failed.json()["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn sizes_are_bounded() {
    let front = front(probe()).await;
    let payload = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    // An answer has room for 100 bytes more than a request, not for as much as the probe adds.
    let fits = post(&front, "probe", &[], payload(SYNC_LIMIT)).await;
    assert_eq!((fits.status, fits.json()["errorType"].as_str()), (200, Some("Function.ResponseSizeTooLarge")));
    let refused = post(&front, "probe", &[], payload(SYNC_LIMIT + 1)).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (413, Some("RequestTooLargeException")));
    assert_eq!(refused.json()["Type"], "User");

    let event = [("x-amz-invocation-type", "Event")];
    assert_eq!(post(&front, "probe", &event, payload(ASYNC_LIMIT)).await.status, 202);
    let refused = post(&front, "probe", &event, payload(ASYNC_LIMIT + 1)).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (413, Some("RequestTooLargeException")));

    let large = format!(r#"{{"big":{}}}"#, RESPONSE_LIMIT - 2);
    assert_eq!(post(&front, "probe", &[], large).await.body.len(), RESPONSE_LIMIT);
    let larger = post(&front, "probe", &[], format!(r#"{{"big":{}}}"#, RESPONSE_LIMIT - 1)).await;
    assert_eq!(larger.json()["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(larger.header("x-amz-function-error"), Some("Unhandled"));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let front = front(probe()).await;
    let refused = |answer: &Answer| (answer.status, answer.header("x-amzn-errortype").map(ToOwned::to_owned));
    let expected = |status, exception: &str| (status, Some(exception.to_owned()));
    let none = post(&front, "none", &[], "{}").await;
    assert_eq!(refused(&none), expected(404, "ResourceNotFoundException"));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:none";
    assert_eq!(none.json(), json!({"Type": "User", "Message": format!("Function not found: {arn}")}));
    assert_eq!(refused(&post(&front, "probe:9", &[], "{}").await), expected(404, "ResourceNotFoundException"));
    let bad = post(&front, "probe", &[], "{").await;
    assert_eq!(refused(&bad), expected(400, "InvalidRequestContentException"));
    let bad = post(&front, "probe", &[("x-amz-invocation-type", "Later")], "{}").await;
    assert_eq!(refused(&bad), expected(400, "InvalidParameterValueException"));
    let bad = post(&front, "probe", &[("x-amz-client-context", "!")], "{}").await;
    assert_eq!(refused(&bad), expected(400, "InvalidRequestContentException"));

    let url = format!("{}/2015-03-31/functions/probe/invocations", front.url());
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 403);
    assert!(front.invocations().iter().all(|one| !one.outcome.as_ref().unwrap().is_run()));
    let dry = post(&front, "probe", &[("x-amz-invocation-type", "DryRun")], "{}").await;
    assert_eq!((dry.status, dry.body.len()), (204, 0));
}

#[tokio::test]
async fn one_more_than_reserved_is_throttled() {
    let front = front(probe().reserved_concurrency(1)).await;
    let slow = post(&front, "probe", &[], r#"{"sleep":60000}"#);
    let throttled = async {
        wait_until("the slow call", || front.invocations().len() == 1).await;
        post(&front, "probe", &[], "{}").await
    };
    tokio::pin!(slow);
    let throttled = tokio::select! { answer = throttled => answer, _ = &mut slow => panic!("it was not slow") };
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("1")));
    assert_eq!(throttled.header("x-amzn-errortype"), Some("TooManyRequestsException"));
    assert_eq!(throttled.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
}

#[tokio::test]
async fn an_asynchronous_event_is_tried_three_times() {
    let waits = [Duration::from_millis(50), Duration::from_millis(100)];
    let front = front(probe().retry_waits(waits)).await;
    let event = [("x-amz-invocation-type", "Event")];
    let accepted = post(&front, "probe", &event, r#"{"fail":"always"}"#).await;
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    wait_until("three attempts", || front.invocations().iter().filter(|one| one.outcome.is_some()).count() == 3).await;
    let all = front.invocations();
    assert_eq!(all.iter().map(|one| (one.kind, one.attempt)).collect::<Vec<_>>(), [1, 2, 3].map(|n| (Kind::Async, n)));
    assert!(all.iter().all(|one| Some(one.request_id.as_str()) == accepted.header("x-amzn-requestid")));
    assert!(all[1].began - all[0].ended.unwrap() >= waits[0] && all[2].began - all[1].ended.unwrap() >= waits[1]);

    // One that succeeds at the second attempt has no third.
    front.faults().error(1, "Once", "only");
    post(&front, "probe", &event, "{}").await;
    wait_until("the second success", || {
        front.invocations().last().unwrap().outcome.as_ref().is_some_and(Outcome::is_success)
    })
    .await;
    assert_eq!(front.invocations().len(), 5);
}

#[tokio::test]
async fn faults_apply_to_the_next_invocations() {
    let front = front(probe().timeout(Duration::from_secs(4))).await;
    let faults = front.faults();
    faults.throttle(1);
    faults.add(Fault::Throttle { retry_after: None });
    faults.add(Fault::Unavailable);
    faults.add(Fault::CrashBefore);
    faults.crash(1);
    faults.time_out(1);
    faults.add(Fault::Error { kind: "Kind".into(), message: "message".into(), handled: true });
    let mut seen = Vec::new();
    for _ in 0..8 {
        let answer = post(&front, "probe", &[], r#"{"print":"x"}"#).await;
        let error = answer.header("x-amz-function-error").unwrap_or_default().to_owned();
        seen.push((answer.status, error, answer.json()["errorType"].as_str().unwrap_or_default().to_owned()));
    }
    let expected = [
        (429, "", ""),
        (429, "", ""),
        (500, "", ""),
        (200, "Unhandled", "Runtime.ExitError"),
        (200, "Unhandled", "Runtime.ExitError"),
        (200, "Unhandled", "Sandbox.Timedout"),
        (200, "Handled", "Kind"),
        (200, "", ""),
    ];
    assert_eq!(seen, expected.map(|(status, error, kind)| (status, error.to_owned(), kind.to_owned())));

    faults.add(Fault::CutOff);
    let lost = sdk(&front).invoke().function_name("probe").payload(Blob::new("{}")).send().await;
    assert!(lost.unwrap_err().as_service_error().is_none());
    assert!(front.invocations().last().unwrap().outcome.as_ref().unwrap().is_success());
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_no_run() {
    let front = front(probe()).await;
    let call = post(&front, "probe", &[], r#"{"sleep":3000}"#);
    tokio::select! {
        _ = call => panic!("it was not slow"),
        () = wait_until("the run", || front.invocations().len() == 1) => {}
    }
    wait_until("its end", || front.invocations()[0].outcome.is_some()).await;
    assert!(front.invocations()[0].outcome.as_ref().unwrap().is_success());
}

#[tokio::test]
async fn a_closure_is_a_function_too() {
    let function = Function::inline(|event| async move {
        match event.json()["do"].as_str() {
            Some("fail") => Reply::error("Kind", "message"),
            Some("exit") => Reply::Exit(2),
            Some("panic") => panic!("as configured"),
            Some("hang") => std::future::pending().await,
            _ => Reply::json(&json!({"id": event.request_id})),
        }
    });
    let front = front(function.timeout(Duration::from_secs(3))).await;
    let mut kinds = Vec::new();
    for what in ["fail", "exit", "panic", "hang", "work"] {
        let answer = post(&front, "probe", &[], json!({"do": what}).to_string()).await;
        kinds.push(answer.json()["errorType"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(kinds, ["Kind", "Runtime.ExitError", "Runtime.ExitError", "Sandbox.Timedout", ""]);
}

#[tokio::test]
async fn the_sdk_understands_every_answer() {
    let front = front(probe()).await;
    let client = sdk(&front);
    let call = || client.invoke().function_name("probe").payload(Blob::new(r#"{"fail":"no"}"#));
    let answer = call().log_type(LogType::Tail).send().await.unwrap();
    assert_eq!((answer.status_code(), answer.function_error()), (200, Some("Unhandled")));
    assert!(answer.log_result().is_some() && answer.executed_version() == Some("$LATEST"));
    let answer = call().invocation_type(InvocationType::DryRun).send().await.unwrap();
    assert_eq!(answer.status_code(), 204);
    let answer = call().invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!(answer.status_code(), 202);

    front.faults().throttle(1);
    let error = call().send().await.unwrap_err().into_service_error();
    let aws_sdk_lambda::operation::invoke::InvokeError::TooManyRequestsException(throttled) = error else {
        panic!("{error:?}")
    };
    assert_eq!(throttled.retry_after_seconds(), Some("1"));
    assert!(throttled.reason().is_some());
    let error = client.invoke().function_name("none").send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert!(error.message().unwrap().contains("Function not found"));
    let large = Blob::new(vec![b'1'; SYNC_LIMIT + 1]);
    let error = client.invoke().function_name("probe").payload(large).send().await.unwrap_err().into_service_error();
    assert!(error.is_request_too_large_exception(), "{error:?}");
}

#[tokio::test]
async fn a_stopped_front_leaves_no_process() {
    let front = front(probe()).await;
    let process = post(&front, "probe", &[], "{}").await.json()["process"].as_u64().unwrap();
    let folder = format!("/proc/{process}");
    assert!(std::path::Path::new(&folder).exists());
    front.stop().await;
    wait_until("the end of the process", || {
        std::fs::read_to_string(format!("{folder}/stat")).map_or(true, |stat| stat.contains(") Z"))
    })
    .await;
}
