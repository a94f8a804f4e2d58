//! The brokers of the schema history are not those of the worker, and are away while the connector starts.

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{Kafka, SqlServer, Tier, Tributary, WorkerOptions, consume_all, require, unique, wait_until};

use crate::arrived;
use crate::change_data::LIMIT;

/// The table is altered while nothing reads: only the history knows what its rows were before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_schema_history_holds_the_start_up_and_leaves_no_gap() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let (kafka, mut history) = (Kafka::shared().await?, Kafka::start().await?);
    let prefix = unique("history");
    let topic = format!("{prefix}.shop.dbo.t");
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured("shop").await?;
    client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)").await?;
    client.capture("t", "dbo_t").await?;
    client.run("INSERT INTO dbo.t VALUES (0)").await?;
    client.scan().await?;

    let options = WorkerOptions::on_kafka(kafka, &unique("history")).set("offset.flush.interval.ms", "200");
    let worker = Tributary::start(options).await?;
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let config = json!({
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": server.port().to_string(),
        "database.user": SqlServer::USER, "database.password": SqlServer::PASSWORD, "database.names": "shop",
        "driver.encrypt": "false", "topic.prefix": prefix, "poll.interval.ms": "5",
        "retriable.restart.connector.wait.ms": "100",
        "schema.history.internal.kafka.topic": "history",
        "schema.history.internal.kafka.bootstrap.servers": history.bootstrap(),
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "key.converter": json, "value.converter": json, "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
    });
    let rest = worker.rest();
    rest.put_connector("history", &config).await?;
    wait_until(LIMIT, "the row of the snapshot", || async { arrived(kafka, &topic).await >= 1 }).await?;
    client.run("INSERT INTO dbo.t VALUES (1)").await?;
    client.scan().await?;
    wait_until(LIMIT, "the first change", || async { arrived(kafka, &topic).await >= 2 }).await?;
    let put = |path: &'static str| rest.send(reqwest::Method::PUT, path, None);
    put("/connectors/history/stop").await?.success()?;
    let status =
        || async { rest.get("/connectors/history/status").await.map(|answer| answer.json()).unwrap_or_default() };
    wait_until(LIMIT, "the connector to stop", || async {
        let status = status().await;
        status["connector"]["state"] == "STOPPED" && status["tasks"].as_array().is_some_and(Vec::is_empty)
    })
    .await?;

    client.run("INSERT INTO dbo.t VALUES (2)").await?;
    client.scan().await?;
    client.run("ALTER TABLE dbo.t ADD name varchar(10) NULL").await?;
    client.capture("t", "dbo_t_2").await?;
    client.run("INSERT INTO dbo.t VALUES (3, 'three')").await?;
    client.scan().await?;
    history.kill9().await?;
    put("/connectors/history/resume").await?.success()?;
    wait_until(LIMIT, "the warning", || async { worker.log().contains("the schema history cannot be used") }).await?;
    let held = status().await;
    assert_eq!(held["tasks"][0]["state"], "RUNNING", "{held}");
    assert_eq!(arrived(kafka, &topic).await, 2);

    history.restart().await?;
    wait_until(LIMIT, "the other changes", || async { arrived(kafka, &topic).await >= 4 }).await?;
    let messages = consume_all(&kafka.bootstrap(), &topic, false).await?;
    let rows: Vec<Value> = messages
        .iter()
        .map(|message| Ok(serde_json::from_str::<Value>(&message.text())?["after"].clone()))
        .collect::<Result<_>>()?;
    assert_eq!(rows, [json!({"id": 0}), json!({"id": 1}), json!({"id": 2}), json!({"id": 3, "name": "three"})]);
    Ok(())
}
