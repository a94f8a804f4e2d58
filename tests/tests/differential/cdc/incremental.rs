//! Incremental snapshots by Debezium 3.6.3 in the Java worker and by Tributary, of the same tables: each is paused after its
//! first chunk, and resumed. Rows, notifications and what the offsets have of the snapshot are the same. The positions of
//! rows are not: each connector writes rows of its own into its signal table.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, Message, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, consume_all,
    require, unique,
};

use super::masks::masked;
use super::sides::{LIMIT, Side};

const DATABASE: &str = "shop";
const SIGNAL_COLUMNS: &str = "id varchar(64) NOT NULL PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048) NULL";
/// Keys of different types, rows in no order, and a table without rows.
const TABLES: [(&str, &str, &str); 6] = [
    (
        "a",
        "id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL",
        "(5, N'five'), (1, N'one'), (4, NULL), (2, N'two'), (3, N'3')",
    ),
    (
        "pairs",
        "x int NOT NULL, y varchar(5) NOT NULL, n int NULL, PRIMARY KEY (x, y)",
        "(2, 'b', 1), (1, 'a', 2), (1, 'c', 3), (1, 'b', NULL), (2, 'a', 5)",
    ),
    ("amounts", "id decimal(9, 2) NOT NULL PRIMARY KEY", "(1.50), (-2.25), (100), (0)"),
    (
        "moments",
        "id datetime2(3) NOT NULL PRIMARY KEY",
        "('2024-02-03T04:05:06.123'), ('1969-12-31T23:59:59.5'), ('2030-01-01')",
    ),
    ("large", "id bigint NOT NULL PRIMARY KEY, s smallint NULL", "(5000000000, 1), (-1, 2), (7, 3)"),
    ("empty", "id int NOT NULL PRIMARY KEY", ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_snapshot_is_that_of_debezium() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    for (table, columns, rows) in TABLES {
        client.run(&format!("CREATE TABLE dbo.{table} ({columns})")).await?;
        client.capture(table, &format!("dbo_{table}")).await?;
        if !rows.is_empty() {
            client.run(&format!("INSERT INTO dbo.{table} VALUES {rows}")).await?;
        }
    }
    for side in ["java", "ours"] {
        client.run(&format!("CREATE TABLE dbo.signals_{side} ({SIGNAL_COLUMNS})")).await?;
        client.capture(&format!("signals_{side}"), &format!("dbo_signals_{side}")).await?;
    }
    client.scan().await?;

    let flush = ("offset.flush.interval.ms", "200");
    let options = ConnectOptions::default().debezium().set(flush.0, flush.1).jvm("-Xms64m -Xmx512m");
    let java = Connect::start(kafka, options).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours")).set(flush.0, flush.1)).await?;
    let name = unique("").replace('-', "");
    let side = |rest, kind: &'static str| Reading {
        side: Side { rest, name: format!("{kind}{name}") },
        kind,
        bootstrap: kafka.bootstrap(),
    };
    let sides = [side(java.rest(), "java"), side(ours.rest(), "ours")];
    for reading in &sides {
        reading.post(server.port()).await?;
    }
    // Changes are read from here on.
    for reading in &sides {
        reading
            .wait("the structure of all tables", &mut client, async |reading: &Reading| {
                reading.messages(&reading.side.name).await.is_ok_and(|told| told.len() > TABLES.len())
            })
            .await?;
    }

    let tables: Vec<String> = TABLES.iter().map(|(table, ..)| format!("\"{DATABASE}.dbo.{table}\"")).collect();
    let data = format!(
        r#"{{"data-collections": [{}], "additional-conditions": [{{"data-collection": "shop.dbo.large", "filter": "id > 0 OR id < 0"}}]}}"#,
        tables.join(",")
    );
    for reading in &sides {
        reading.signal(&mut client, "first", "execute-snapshot", &data).await?;
        reading.signal(&mut client, "second", "pause-snapshot", "").await?;
    }
    let mut paused = Vec::new();
    for reading in &sides {
        reading
            .wait("the first chunk", &mut client, async |reading: &Reading| {
                reading.rows("a").await.is_ok_and(|rows| rows.len() == 2)
            })
            .await?;
        // The row that ends the window is what is stored behind the chunk.
        reading
            .wait("the offset of the first chunk", &mut client, async |reading: &Reading| {
                let offset = reading.side.offset(DATABASE).await.unwrap_or_default();
                offset["incremental_snapshot_primary_key"].as_str().is_some_and(|key| key != "aced000570")
                    && offset.get("snapshot").is_none_or(Value::is_null)
            })
            .await?;
        paused.push(of_snapshot(&reading.side.offset(DATABASE).await?));
    }
    assert_eq!(paused[0].len(), 4, "{paused:?}");
    assert_eq!(paused[0], paused[1]);

    for reading in &sides {
        reading.signal(&mut client, "third", "resume-snapshot", "").await?;
    }
    for reading in &sides {
        reading
            .wait("the end of the snapshot", &mut client, async |reading: &Reading| {
                reading.notifications().await.is_ok_and(|told| told.iter().any(|notice| notice["type"] == "COMPLETED"))
            })
            .await?;
    }
    let [java, ours] = &sides;
    for (table, ..) in TABLES.iter().filter(|(_, _, rows)| !rows.is_empty()) {
        assert_eq!(java.rows(table).await?, ours.rows(table).await?, "{table}");
    }
    assert_eq!(java.notifications().await?, ours.notifications().await?);
    // With the next change nothing of it is left.
    client.run("INSERT INTO dbo.empty VALUES (1)").await?;
    for reading in &sides {
        reading
            .wait("an offset without a snapshot", &mut client, async |reading: &Reading| {
                let offset = reading.side.offset(DATABASE).await.unwrap_or_default();
                offset.is_object() && of_snapshot(&offset).is_empty()
            })
            .await?;
        reading.side.rest.delete(&reading.side.path("")).await?.success()?;
    }
    Ok(())
}

/// What an offset has of an incremental snapshot.
fn of_snapshot(offset: &Value) -> Map<String, Value> {
    let members = offset.as_object().cloned().unwrap_or_default().into_iter();
    members.filter(|(name, value)| name.starts_with("incremental_snapshot") && !value.is_null()).collect()
}

/// A connector with its signal table.
struct Reading {
    side: Side,
    kind: &'static str,
    bootstrap: String,
}

impl Reading {
    async fn post(&self, port: u16) -> Result<()> {
        let tables: Vec<String> = TABLES.iter().map(|(table, ..)| format!("dbo.{table}")).collect();
        let (signals, told) = (format!("{DATABASE}.dbo.signals_{}", self.kind), self.told());
        let settings = [
            ("snapshot.mode", "no_data"),
            ("table.include.list", &*tables.join(",")),
            ("signal.data.collection", &signals),
            ("incremental.snapshot.chunk.size", "2"),
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", &told),
            ("schema.history.internal.store.only.captured.tables.ddl", "true"),
        ];
        let config = self.side.config(&self.bootstrap, port, &[DATABASE.to_owned()], &settings);
        self.side.rest.put_connector(&self.side.name, &config).await?;
        self.side.wait_running().await
    }

    fn told(&self) -> String {
        format!("told.{}", self.side.name)
    }

    async fn signal(&self, client: &mut SqlClient, id: &str, kind: &str, data: &str) -> Result<()> {
        client.run(&format!("INSERT INTO dbo.signals_{} VALUES ('{id}', '{kind}', '{data}')", self.kind)).await
    }

    /// Captures all that is committed again and again until it is so.
    async fn wait(&self, what: &str, client: &mut SqlClient, is_so: impl AsyncFn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            client.scan().await?;
            if is_so(self).await {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} did not come to {what}", self.side.name);
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn messages(&self, topic: &str) -> Result<Vec<Message>> {
        consume_all(&self.bootstrap, topic, false).await
    }

    /// The rows that were read of a table, as they are compared, without the positions at which they were sent.
    async fn rows(&self, table: &str) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for message in self.messages(&self.side.topic(DATABASE, table)).await? {
            let mut value: Value = serde_json::from_str(&message.text())?;
            if value["payload"]["op"] != "r" {
                continue;
            }
            for position in ["change_lsn", "commit_lsn", "event_serial_no"] {
                let member = &mut value["payload"]["source"][position];
                *member = json!(if member.is_null() { "none" } else { "some" });
            }
            let message = Message { value: Some(value.to_string().into_bytes()), ..message };
            rows.push(masked(&message, &self.side.name).text);
        }
        Ok(rows)
    }

    /// What was told of the incremental snapshot.
    async fn notifications(&self) -> Result<Vec<Value>> {
        let mut told = Vec::new();
        for message in self.messages(&self.told()).await? {
            let text = message.text().replace(&self.side.name, "NAME");
            let mut value: Value = serde_json::from_str(&text)?;
            let schema = value["schema"].take();
            let payload = value["payload"].as_object_mut().context("a notification has a payload")?;
            if payload["aggregate_type"] == "Incremental Snapshot" {
                payload.insert("timestamp".to_owned(), json!(payload["timestamp"].is_i64()));
                payload.insert("schema".to_owned(), schema);
                payload.insert("key".to_owned(), json!(message.key_text().replace(&self.side.name, "NAME")));
                told.push(value["payload"].take());
            }
        }
        Ok(told)
    }
}
