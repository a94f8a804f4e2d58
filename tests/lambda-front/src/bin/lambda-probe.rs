//! A function for tests that does what its event says: `{"sleep": ms}`, then one of `{"fail": message}`, `{"exit": status}`,
//! `{"big": bytes}`; otherwise it returns what it was given. `{"print": text}` is printed first.

use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    if std::env::var_os("PROBE_INIT_FAILS").is_some() {
        return Err("the probe is configured to fail at its start".into());
    }
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let (event, context) = event.into_parts();
    if let Some(text) = event["print"].as_str() {
        eprintln!("{text}");
    }
    if let Some(milliseconds) = event["sleep"].as_u64() {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if let Some(message) = event["fail"].as_str() {
        return Err(Diagnostic { error_type: "ProbeError".to_owned(), error_message: message.to_owned() });
    }
    if let Some(status) = event["exit"].as_i64() {
        end(status);
    }
    if let Some(length) = event["big"].as_u64() {
        return Ok(Value::String("x".repeat(usize::try_from(length).unwrap_or_default())));
    }
    Ok(json!({
        "event": event,
        "request": context.request_id,
        "arn": context.invoked_function_arn,
        "version": context.env_config.version,
        "custom": context.client_context.map(|context| context.custom),
        "process": std::process::id(),
    }))
}

#[expect(clippy::disallowed_methods, reason = "it plays a function that ends in the middle")]
fn end(status: i64) -> ! {
    std::process::exit(i32::try_from(status).unwrap_or(1))
}
