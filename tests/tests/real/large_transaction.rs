//! A transaction of SQL Server that is much larger than what the worker may take.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tributary_tests::{
    Kafka, SqlServer, Tier, Tributary, WorkerOptions, create_topic, end_offsets, require, unique, wait_for, wait_until,
};

const LIMIT: Duration = Duration::from_secs(600);
/// Rows of the transaction, unless `TRIBUTARY_TEST_TRANSACTION_ROWS` says how many, in thousands.
const ROWS: i64 = 200_000;
/// More than the worker has in its hands at a time.
const FEW_ROWS: i64 = 50_000;
const MOST_BYTES: u64 = 150_000_000;
/// What one run takes more than another: 84 MB where others kept both cores busy, 159 MB where nobody did. Rows that are kept
/// would take more.
const VARIATION: u64 = 80_000_000;

#[tokio::test]
async fn a_transaction_is_read_within_150_megabytes_however_large_it_is() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let rows = std::env::var("TRIBUTARY_TEST_TRANSACTION_ROWS").map_or(Ok(ROWS), |text| text.parse())?;
    let few = peak_bytes(FEW_ROWS).await?;
    let many = peak_bytes(rows).await?;
    println!("{FEW_ROWS} rows in {} MB, {rows} rows in {} MB", few / 1_000_000, many / 1_000_000);
    ensure!(many < MOST_BYTES, "{rows} rows took {many} bytes");
    ensure!(many < few + VARIATION, "{rows} rows took {many} bytes, {FEW_ROWS} took {few}");
    Ok(())
}

/// The most memory of a worker that reads a transaction of so many rows.
async fn peak_bytes(rows: i64) -> Result<u64> {
    let (kafka, server) = (Kafka::shared().await?, SqlServer::start(&["--stepped"]).await?);
    let mut client = server.create_captured("shop").await?;
    client.run("CREATE TABLE dbo.orders (id int NOT NULL PRIMARY KEY, customer nvarchar(100) NOT NULL, placed datetime2 NOT NULL)").await?;
    client.capture("orders", "orders").await?;
    client.run("CREATE TABLE dbo.thousand (n int NOT NULL)").await?;
    let numbers: Vec<String> = (0..1000).map(|number| format!("({number})")).collect();
    client.run(&format!("INSERT INTO dbo.thousand VALUES {}", numbers.join(","))).await?;

    let name = unique("large");
    let topic = format!("{name}.shop.dbo.orders");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let options = WorkerOptions::on_kafka(kafka, &name).set("offset.flush.interval.ms", "200");
    let mut worker = Tributary::start(options).await?;
    let config = json!({
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": server.port().to_string(),
        "database.user": SqlServer::USER, "database.password": SqlServer::PASSWORD, "database.names": "shop",
        "driver.encrypt": "false", "topic.prefix": name, "snapshot.mode": "no_data", "poll.interval.ms": "50",
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "schema.history.internal.kafka.bootstrap.servers": kafka.bootstrap(),
        "schema.history.internal.kafka.topic": format!("{name}.history"),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    worker.rest().put_connector(&name, &config).await?;
    wait_until(LIMIT, "the structure of the tables", || async {
        let answer = worker.rest().get(&format!("/connectors/{name}/offsets")).await;
        answer.is_ok_and(|answer| answer.json()["offsets"][0]["offset"]["snapshot_completed"] == true)
    })
    .await?;

    client
        .run(&format!(
            "INSERT INTO dbo.orders SELECT t.n * 1000 + u.n, N'the customer of order ' + CAST(t.n * 1000 + u.n AS nvarchar(10)), \
             '2024-02-29T12:34:56.1234567' FROM dbo.thousand AS t CROSS JOIN dbo.thousand AS u WHERE t.n < {}",
            rows / 1000
        ))
        .await?;
    client.scan().await?;
    let read = wait_for(LIMIT, "all rows", || async {
        let there = end_offsets(&kafka.bootstrap(), &topic).await.ok()?.values().sum::<i64>();
        (there >= rows).then_some(there)
    });
    ensure!(read.await? == rows, "the topic has other than {rows} records");
    let peak = worker.usage()?.peak_rss_bytes;
    worker.stop().await?;
    Ok(peak)
}
