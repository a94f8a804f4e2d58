//! What a newcomer sees in the log: nothing that looks like trouble where there is none.

use std::time::Duration;

use anyhow::Result;
use tributary_tests::{OpenPage, Pipeline, Tributary, WorkerOptions, visit};

const LIMIT: Duration = Duration::from_secs(120);
const PERSON: u32 = 0;
const EVENTS: u32 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_start_voucher_stop_and_second_start_log_no_warning() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    // Stopped before the first visitor: topics that a processor reads do not exist yet.
    // A task that a busy machine does not let end in time would be worth a warning.
    let options = pipeline.options(WorkerOptions::embedded()).set("task.shutdown.graceful.timeout.ms", "60000");
    let mut worker = Tributary::start(options).await?;
    pipeline.running(&worker.rest(), LIMIT).await?;
    worker.stop_by("INT").await?;

    worker.restart().await?;
    pipeline.running(&worker.rest(), LIMIT).await?;
    let page = OpenPage::open(&pipeline, PERSON)?;
    page.connected(1, LIMIT).await?;
    let events = visit(PERSON, 0, "armchair", EVENTS);
    pipeline.send(&reqwest::Client::new(), &pipeline.token(PERSON)?, &events, LIMIT).await?;
    page.offered(LIMIT).await?;
    worker.stop_by("INT").await?;

    worker.restart().await?;
    pipeline.running(&worker.rest(), LIMIT).await?;
    worker.stop_by("INT").await?;

    let log = worker.log();
    assert!(log.contains(" INFO ") && log.matches("stopping").count() >= 3, "another format of the log?\n{log}");
    let warnings: Vec<&str> =
        log.lines().filter(|line| [" WARN ", " ERROR "].iter().any(|level| line.contains(level))).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    Ok(())
}
