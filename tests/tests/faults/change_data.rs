//! Change data capture in transactions, with a worker that is killed at random points: for readers of what is committed
//! every change is in the topic once, and in order.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, SqlServer, Tier, Tributary, WorkerOptions, consume_all, create_topic, require, unique, wait_until,
};

use crate::arrived;

/// How many rows are changed, unless the environment says another number.
const CHANGES: i64 = 50_000;
const KILLS: i64 = 20;
/// Rows of a transaction, and of a statement.
const ROWS: i64 = 1_000;
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

fn changes() -> Result<i64> {
    match std::env::var("TRIBUTARY_TEST_CHANGES") {
        Ok(number) => number.parse().context("TRIBUTARY_TEST_CHANGES is not a number"),
        Err(_) => Ok(CHANGES),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_there_once_and_in_order_when_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let all = changes()?;
    let prefix = unique("captured");
    let topic = format!("{prefix}.shop.dbo.t");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured("shop").await?;
    client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)").await?;
    client.capture("t", "dbo_t").await?;
    client.run("INSERT INTO dbo.t VALUES (-1)").await?;
    client.scan().await?;

    let options = WorkerOptions::on_kafka(kafka, &unique("captured")).set("exactly.once.source.support", "enabled");
    let mut worker = Tributary::start(options).await?;
    let json = "org.apache.kafka.connect.json.JsonConverter";
    // Small batches, so that there are many transactions to be killed in.
    let config = json!({
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": server.port().to_string(),
        "database.user": SqlServer::USER, "database.password": SqlServer::PASSWORD, "database.names": "shop",
        "driver.encrypt": "false", "topic.prefix": prefix, "exactly.once.support": "required",
        "snapshot.isolation.mode": "snapshot", "include.schema.changes": "false",
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "max.batch.size": "100", "max.queue.size": "400", "poll.interval.ms": "5",
        "key.converter": json, "value.converter": json, "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
    });
    worker.rest().put_connector("captured", &config).await?;
    wait_until(LIMIT, "the row of the snapshot", || async { arrived(kafka, &topic).await >= 1 }).await?;

    let mut inserted = 0;
    for kill in 0..KILLS {
        // By what has arrived, not by the clock; aborted records count as well.
        let share = all / KILLS;
        let point = kill * share + rand::random_range(1..share / 2);
        while inserted < all && inserted < (kill + 1) * share {
            let rows: Vec<String> = (inserted..(inserted + ROWS).min(all)).map(|id| format!("({id})")).collect();
            client.run(&format!("INSERT INTO dbo.t VALUES {}", rows.join(", "))).await?;
            inserted += i64::try_from(rows.len())?;
        }
        client.scan().await?;
        wait_until(LIMIT, "the next point to kill at", || async { arrived(kafka, &topic).await >= point }).await?;
        worker.kill9()?;
        worker.restart().await?;
    }
    wait_until(LIMIT, "the last change", || async {
        arrived(kafka, &topic).await > all && last(kafka, &topic).await == Some(all - 1)
    })
    .await?;
    worker.stop().await?;

    let read = committed(kafka, &topic).await?;
    assert!(read.is_sorted(), "out of order");
    assert_eq!(read, (-1..all).collect::<Vec<_>>());
    Ok(())
}

async fn last(kafka: &Kafka, topic: &str) -> Option<i64> {
    committed(kafka, topic).await.ok()?.last().copied()
}

async fn committed(kafka: &Kafka, topic: &str) -> Result<Vec<i64>> {
    let messages = consume_all(&kafka.bootstrap(), topic, true).await?;
    let id = |text: String| -> Result<i64> {
        let value: Value = serde_json::from_str(&text)?;
        value["after"]["id"].as_i64().with_context(|| format!("no row in {text}"))
    };
    messages.iter().map(|message| id(message.text())).collect()
}
