//! Tasks that have failed, started again by the worker; and records of the configuration topic that no worker writes.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{RestClient, Tributary, WorkerOptions, create_topic, produce, wait_until};

const TOPIC: &str = "configurations";
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_failed_task_runs_again_without_an_operator_once_its_cause_is_gone() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded()).await?;
    let rest = worker.rest();
    let folder = worker.folder().join("not-there-yet");
    let config = |attempts: &str| {
        json!({
            "connector.class": "FileStreamSink", "topics": "restarts", "file": folder.join("out.txt"),
            "value.converter": "org.apache.kafka.connect.storage.StringConverter", "errors.restart.max.attempts": attempts, "errors.restart.delay.ms": "100",
            "errors.restart.delay.max.ms": "400",
        })
    };
    create_topic(&worker.bootstrap(), "restarts", 1).await?;
    rest.put_connector("never", &config("0")).await?;
    rest.put_connector("twice", &config("2")).await?;
    rest.put_connector("always", &config("-1")).await?;
    for name in ["never", "twice", "always"] {
        wait_until(LIMIT, &format!("{name} failed"), || async { state(&rest, name).await == "FAILED" }).await?;
    }
    let log = || worker.log();
    wait_until(LIMIT, "no more attempts for one", || async { log().contains("more often than errors.restart") })
        .await?;
    wait_until(LIMIT, "a third attempt for the other", || async {
        log().lines().any(|line| line.contains("always-0") && line.contains("attempt=4"))
    })
    .await?;
    wait_until(LIMIT, "failed with a trace meanwhile", || async {
        let task = task(&rest, "always").await;
        task["state"] == "FAILED" && task["trace"].as_str().is_some_and(|trace| trace.contains("not-there-yet"))
    })
    .await?;
    let attempts = |name: &str| log().lines().filter(|line| line.contains(name) && line.contains("attempt=")).count();
    assert_eq!((attempts("never-0"), attempts("twice-0")), (0, 2));

    std::fs::create_dir(&folder)?;
    wait_until(LIMIT, "running again", || async { state(&rest, "always").await == "RUNNING" }).await?;
    produce(&worker.bootstrap(), "restarts", [(None, b"arrived".to_vec())]).await?;
    let file = folder.join("out.txt");
    wait_until(LIMIT, "the record in the file", || async {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("arrived"))
    })
    .await?;
    assert_eq!((state(&rest, "never").await, state(&rest, "twice").await), ("FAILED".into(), "FAILED".into()));
    worker.stop().await
}

#[tokio::test]
async fn records_of_the_config_topic_that_no_worker_writes_cost_themselves() -> Result<()> {
    let mut worker = Tributary::start(WorkerOptions::embedded().set("config.storage.topic", TOPIC)).await?;
    let rest = worker.rest();
    let bootstrap = worker.bootstrap();
    let config = json!({"connector.class": "FileStreamSink", "topics": "t", "file": worker.folder().join("out.txt")});
    create_topic(&bootstrap, "t", 1).await?;
    rest.put_connector("good", &config).await?;
    rest.wait_running("good", 1, LIMIT).await?;
    let many = |class: &str| {
        let topics = json!({"connector.class": class, "tasks.max": "2147483647", "topics": "t", "file": "/dev/null"});
        json!({"properties": topics}).to_string()
    };
    let records: Vec<(String, String)> = vec![
        ("commit-good".to_owned(), json!({"tasks": u32::MAX}).to_string()),
        ("connector-a\0b".to_owned(), json!({"properties": config}).to_string()),
        ("connector-many".to_owned(), many("FileStreamSink")),
    ];
    let records: Vec<_> =
        records.into_iter().map(|(key, value)| (Some(key.into_bytes()), value.into_bytes())).collect();
    produce(&bootstrap, TOPIC, records).await?;
    for round in 0..2 {
        let what = format!("the refused connector failed, round {round}");
        wait_until(LIMIT, &what, || async {
            let status = rest.get("/connectors/many/status").await.map(|answer| answer.json()).unwrap_or_default();
            status["connector"]["state"] == "FAILED"
                && status["connector"]["trace"].as_str().is_some_and(|trace| trace.contains("2147483647"))
        })
        .await?;
        rest.wait_running("good", 1, LIMIT).await?;
        assert_eq!(rest.get("/connectors").await?.json(), json!(["good", "many"]));
        worker.restart().await?;
    }
    worker.stop().await
}

async fn task(rest: &RestClient, name: &str) -> Value {
    let status = rest.get(&format!("/connectors/{name}/status")).await;
    status.map(|answer| answer.json()["tasks"][0].clone()).unwrap_or_default()
}

async fn state(rest: &RestClient, name: &str) -> Value {
    task(rest, name).await["state"].clone()
}
