//! The whole worker over its embedded broker and S3 endpoint.
#![allow(clippy::unwrap_used)]

mod custom_worker;
mod experiments;
mod isolation;
mod leaks;
mod logs;
mod pipeline;
mod refusals;
mod restarts;
mod shop;
mod source_context;
mod sqlserver;

use anyhow::Result;
use tributary_tests::{Tributary, WorkerOptions};

#[tokio::test]
async fn an_empty_worker_answers_and_stops_in_time() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded()).await?;
    let rest = worker.rest();
    let root = rest.get("/").await?;
    assert!(root.json()["version"].is_string() && root.json()["kafka_cluster_id"].is_string(), "{}", root.text);
    assert_eq!(rest.get("/connectors").await?.json(), serde_json::json!([]));
    worker.stop().await?;
    assert!(rest.get("/").await.is_err());
    Ok(())
}
