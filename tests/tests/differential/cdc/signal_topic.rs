//! Signals by a topic of a real broker, to a connector that moves from Debezium in the Java worker to Tributary and back, and is
//! killed in between: each signal is followed once, those too that come while nothing reads.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, committed_offsets,
    create_topic, produce, require, unique, wait_until,
};

use super::reading::{DATABASE, INCREMENTAL, Reading, create_signal_tables};
use super::sides::LIMIT;

const FLUSH: (&str, &str) = ("offset.flush.interval.ms", "200");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_signal_of_the_topic_is_followed_once_wherever_the_connector_runs() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let (kafka, group) = (Kafka::shared().await?, unique("signalled"));
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)").await?;
    client.capture("t", "dbo_t").await?;
    client.run("INSERT INTO dbo.t VALUES (1), (2), (3)").await?;
    create_signal_tables(&mut client).await?;
    client.scan().await?;
    let options = ConnectOptions::default().debezium().group(&group).set(FLUSH.0, FLUSH.1).jvm("-Xms64m -Xmx512m");
    let mut java = Connect::start(kafka, options).await?;
    let reading = Reading::new(java.rest(), "java", &unique("").replace('-', ""), kafka.bootstrap());
    let signals = Signals { bootstrap: kafka.bootstrap(), topic: unique("signals"), group: unique("group") };
    create_topic(&signals.bootstrap, &signals.topic, 1).await?;
    let settings = [
        ("snapshot.mode", "no_data"),
        ("signal.enabled.channels", "source,kafka"),
        ("signal.kafka.topic", &*signals.topic),
        ("signal.kafka.bootstrap.servers", &*signals.bootstrap),
        ("signal.kafka.groupId", &*signals.group),
        ("signal.poll.interval.ms", "200"),
        ("signal.kafka.poll.timeout.ms", "100"),
    ];
    reading.post(server.port(), &["t"], &settings).await?;
    signals.send(&reading.side.name, "debezium").await?;
    followed(&reading, &mut client, &["debezium"]).await?;
    reading.side.stop().await?;
    java.stop().await?;
    signals.send(&reading.side.name, "between").await?;

    let mut ours = Tributary::start(WorkerOptions::on_kafka(kafka, &group).set(FLUSH.0, FLUSH.1)).await?;
    let reading = reading.moved(ours.rest());
    reading.side.resume().await?;
    followed(&reading, &mut client, &["debezium", "between"]).await?;
    signals.send(&reading.side.name, "ours").await?;
    followed(&reading, &mut client, &["debezium", "between", "ours"]).await?;
    signals.committed(3).await?;
    ours.kill9()?;
    signals.send(&reading.side.name, "killed").await?;
    ours.restart().await?;
    let reading = reading.moved(ours.rest());
    followed(&reading, &mut client, &["debezium", "between", "ours", "killed"]).await?;
    signals.committed(4).await?;
    reading.side.stop().await?;
    ours.stop().await?;

    java.restart().await?;
    let reading = reading.moved(java.rest());
    reading.side.resume().await?;
    signals.send(&reading.side.name, "back").await?;
    followed(&reading, &mut client, &["debezium", "between", "ours", "killed", "back"]).await?;
    reading.side.rest.delete(&reading.side.path("")).await?.success()?;
    Ok(())
}

/// Waits until the snapshots that these signals ask for are complete and what is stored says so. They are the only ones.
async fn followed(reading: &Reading, client: &mut SqlClient, signals: &[&str]) -> Result<()> {
    let complete =
        async |reading: &Reading| reading.completed(INCREMENTAL).await.is_ok_and(|count| count >= signals.len());
    reading.wait("the end of the snapshot", client, complete).await?;
    let started = |notice: &Value| {
        let id = notice["id"].as_str().unwrap_or_default();
        (notice["type"] == "STARTED").then(|| id.to_owned())
    };
    let ids: Vec<String> = reading.notifications(INCREMENTAL).await?.iter().filter_map(started).collect();
    ensure!(ids == signals, "followed were {ids:?}");
    client.run(&format!("INSERT INTO dbo.t VALUES ({})", 10 + signals.len())).await?;
    reading
        .wait("an offset behind the snapshot", client, async |reading: &Reading| {
            let offset = reading.side.offset(DATABASE).await.unwrap_or_default();
            offset.is_object() && offset["incremental_snapshot_collections"].is_null()
        })
        .await
}

struct Signals {
    bootstrap: String,
    topic: String,
    group: String,
}

impl Signals {
    async fn send(&self, prefix: &str, id: &str) -> Result<()> {
        let data = r#"{"data-collections": ["shop.dbo.t"], "type": "INCREMENTAL"}"#;
        let value = format!(r#"{{"id": "{id}", "type": "execute-snapshot", "data": {data}}}"#);
        let record = (Some(prefix.as_bytes().to_vec()), value.into_bytes());
        produce(&self.bootstrap, &self.topic, [record]).await.context("send a signal")
    }

    async fn committed(&self, offset: i64) -> Result<()> {
        wait_until(LIMIT, "the group's offset", || async {
            let committed = committed_offsets(&self.bootstrap, &self.group, &self.topic).await.unwrap_or_default();
            committed.get(&0) == Some(&offset)
        })
        .await
    }
}
