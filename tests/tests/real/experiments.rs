use std::time::Duration;

use anyhow::Result;
use tributary_tests::{Experiment, Kafka, Tier, Tributary, WorkerOptions, require, unique};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uplift_is_reported_from_the_topics() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    let mut worker = Tributary::start(WorkerOptions::on_kafka(&kafka, &unique("experiment"))).await?;
    Experiment::new(true, Duration::from_secs(120)).run(&worker).await?;
    worker.stop().await
}
