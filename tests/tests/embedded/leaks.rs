//! Restarts leak nothing: a supervisor that restarts failed tasks for months must not end in "too many open files".

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tributary_tests::{Pipeline, RestClient, Tributary, Usage, WorkerOptions, end_offsets, visit, wait_until};

const LIMIT: Duration = Duration::from_secs(120);
/// Restarts of each kind of task, unless `TRIBUTARY_TEST_RESTARTS` says how many.
const RESTARTS: usize = 10;
/// What goes on and off by itself: connections, of which both ends are in this process, and threads of a pool.
const SWING: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_each_kind_of_task_leak_no_thread_descriptor_or_memory() -> Result<()> {
    let restarts = std::env::var("TRIBUTARY_TEST_RESTARTS").map_or(Ok(RESTARTS), |text| text.parse())?;
    let pipeline = Pipeline::new(3)?;
    let options = pipeline.options(WorkerOptions::embedded()).set("demo.shop.enable", "false");
    let worker = Tributary::start(options).await?;
    let rest = worker.rest();
    pipeline.running(&rest, LIMIT).await?;
    let file = |name: &str| pipeline.configs().join(name);
    std::fs::write(file("lines.txt"), "one\ntwo\n")?;
    let source = json!({
        "connector.class": "FileStreamSource", "file": file("lines.txt"), "topic": "lines",
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
    });
    let sink = json!({"connector.class": "FileStreamSink", "file": file("copy.txt"), "topics": "lines"});
    for (name, config) in [("file-source", source), ("file-sink", sink)] {
        rest.put_connector(name, &config).await?;
        rest.wait_running(name, 1, LIMIT).await?;
    }
    // Once everything has flowed, each client has the connections it will have.
    let token = pipeline.token(0)?;
    pipeline.send(&reqwest::Client::new(), &token, &visit(0, 0, "armchair", 20), LIMIT).await?;
    let bootstrap = worker.bootstrap();
    for topic in ["lines", "clicks.enriched", "offers"] {
        let written =
            || async { end_offsets(&bootstrap, topic).await.is_ok_and(|ends| ends.values().any(|end| *end > 0)) };
        wait_until(LIMIT, &format!("records in {topic}"), written).await?;
    }
    let kinds = ["clicks", "personalize", "offers", "file-source", "file-sink"];
    for name in kinds {
        // What a first restart makes and keeps is no leak.
        restart(&rest, name, 3).await?;
        let before = settled(&worker).await?;
        restart(&rest, name, restarts).await?;
        let flat = |now: &Usage| now.threads <= before.threads + SWING && now.descriptors <= before.descriptors + SWING;
        let is_flat = || async { worker.usage().is_ok_and(|now| flat(&now)) };
        let waited = wait_until(LIMIT, "threads and descriptors to be as before", is_flat).await;
        let now = worker.usage()?;
        assert!(waited.is_ok(), "{restarts} restarts of {name}: {before:?} became {now:?}");
        // The allocator keeps some of what was freed; a client that is not freed is larger.
        let grown = now.rss_bytes.saturating_sub(before.rss_bytes);
        assert!(grown < (16 << 20) + 50_000 * restarts as u64, "{restarts} restarts of {name} took {grown} bytes");
    }
    Ok(())
}

/// The usage once threads and descriptors have stayed the same for a while: a client that has just been made is still
/// opening its connections.
async fn settled(worker: &Tributary) -> Result<Usage> {
    const WHILE: Duration = Duration::from_secs(2);
    let (deadline, mut last, mut since) = (Instant::now() + LIMIT, worker.usage()?, Instant::now());
    while since.elapsed() < WHILE {
        ensure!(Instant::now() < deadline, "threads and descriptors go up and down without an end: {last:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = worker.usage()?;
        if (now.threads, now.descriptors) != (last.threads, last.descriptors) {
            since = Instant::now();
        }
        last = now;
    }
    Ok(last)
}

async fn restart(rest: &RestClient, name: &str, times: usize) -> Result<()> {
    for _ in 0..times {
        rest.post(&format!("/connectors/{name}/tasks/0/restart"), &json!(null)).await?.success()?;
        rest.wait_running(name, 1, LIMIT).await?;
    }
    Ok(())
}
