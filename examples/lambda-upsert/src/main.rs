//! A Lambda function that keeps a MongoDB collection up to date with the records of a topic. It is written once for both
//! ways on which they come: as objects of the S3 sink, announced by S3 over SNS and SQS, or as batches of the Lambda sink. See
//! README.md.

mod bucket;
mod documents;
mod event;
mod handler;
mod notification;
mod settings;
mod store;

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

use crate::bucket::Bucket;
use crate::handler::Handler;
use crate::settings::Settings;
use crate::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false).without_time().init();
    let settings = Settings::from_environment().map_err(|error| format!("{error:#}"))?;
    let store = Store::connect(&settings).await.map_err(|error| format!("{error:#}"))?;
    let handler = Arc::new(Handler::new(Bucket::connect(&settings).await, store, settings.id_field));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(event.payload).await.map_err(failed) }
    }))
    .await
}

/// The invocation has failed as a whole, and may be repeated.
fn failed(error: anyhow::Error) -> Diagnostic {
    tracing::error!(error = format!("{error:#}"), "the invocation failed");
    Diagnostic { error_type: "UpsertError".to_owned(), error_message: format!("{error:#}") }
}
