use std::time::Duration;

use anyhow::Result;
use tributary_tests::{Experiment, Tributary, WorkerOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uplift_is_reported_from_the_topics_of_the_embedded_broker() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded().set("demo.shop.enable", "false")).await?;
    Experiment::new(false, Duration::from_secs(120)).run(&worker).await?;
    worker.stop().await
}
