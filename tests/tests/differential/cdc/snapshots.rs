//! Snapshots by Debezium 3.6.3 in the Java worker and by Tributary, of the same tables: an initial one, a blocking one, and an
//! incremental one whose windows end by a deletion. Their rows and notifications are the same, and so is what a signal about the
//! structure of a table changes.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use serde_json::Value;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, Message, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, consume_all,
    require, unique,
};

use super::masks::masked;
use super::reading::{DATABASE, INCREMENTAL, INITIAL, Reading, create_tables};

const TABLES: [(&str, &str, &str); 3] = [
    (
        "a",
        "id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL",
        "(5, N'five'), (1, N'one'), (4, NULL), (2, N'two'), (3, N'3')",
    ),
    ("empty", "id int NOT NULL PRIMARY KEY", ""),
    ("plain", "n int NULL, t varchar(5) NULL", "(1, 'a'), (NULL, 'b')"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initial_blocking_and_incremental_snapshots_and_their_notifications_are_those_of_debezium() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    create_tables(&mut client, &TABLES).await?;

    let flush = ("offset.flush.interval.ms", "200");
    let options = ConnectOptions::default().debezium().set(flush.0, flush.1).jvm("-Xms64m -Xmx512m");
    let java = Connect::start(kafka, options).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours")).set(flush.0, flush.1)).await?;
    let name = unique("").replace('-', "");
    let sides = [(java.rest(), "java"), (ours.rest(), "ours")]
        .map(|(rest, kind)| Reading::new(rest, kind, &name, kafka.bootstrap()));
    let settings = [
        ("snapshot.mode", "initial"),
        ("incremental.snapshot.chunk.size", "2"),
        ("incremental.snapshot.watermarking.strategy", "insert_delete"),
    ];
    for reading in &sides {
        reading.post(server.port(), &TABLES.map(|(table, ..)| table), &settings).await?;
    }
    complete(&sides, &mut client, INITIAL, 1).await?;
    same_rows(&sides).await?;

    let data = r#"{"data-collections": ["shop.dbo.a", "shop.dbo.p.*"], "type": "blocking", "additional-conditions":
        [{"data-collection": "shop.dbo.a", "filter": "SELECT * FROM shop.dbo.a WHERE id > 3"}]}"#;
    for reading in &sides {
        reading.signal(&mut client, "blocking", "execute-snapshot", data).await?;
    }
    complete(&sides, &mut client, INITIAL, 2).await?;
    same_rows(&sides).await?;

    let data = r#"{"data-collections": ["shop.dbo.a", "shop.dbo.empty", "shop.dbo.plain"]}"#;
    for reading in &sides {
        reading.signal(&mut client, "incremental", "execute-snapshot", data).await?;
    }
    complete(&sides, &mut client, INCREMENTAL, 1).await?;
    same_rows(&sides).await?;

    let data = r#"{"database": "shop", "schema": "dbo", "changes": [{"type": "ALTER", "id": "\"shop\".\"dbo\".\"a\"", "table": {
        "defaultCharsetName": null, "primaryKeyColumnNames": ["id"], "columns": [{"name": "id", "jdbcType": 4, "typeName": "int",
        "typeExpression": "int", "charsetName": null, "length": 10, "scale": 0, "position": 1, "optional": false,
        "autoIncremented": false, "generated": false}]}}]}"#;
    for reading in &sides {
        reading.signal(&mut client, "structure", "schema-changes", data).await?;
    }
    client.scan().await?;
    client.run("INSERT INTO dbo.a VALUES (6, N'six')").await?;
    for reading in &sides {
        reading
            .wait("the change with the structure of the signal", &mut client, async |reading: &Reading| {
                let topic = reading.side.topic(DATABASE, "a");
                reading
                    .messages(&topic)
                    .await
                    .is_ok_and(|messages| messages.last().is_some_and(|message| message.text().contains(r#""op":"c""#)))
            })
            .await?;
    }
    let mut told = Vec::new();
    for reading in &sides {
        told.push(structures(reading, &kafka.bootstrap()).await?);
    }
    same("structures", &told[0], &told[1])?;
    for reading in &sides {
        reading.side.rest.delete(&reading.side.path("")).await?.success()?;
    }
    Ok(())
}

async fn complete(sides: &[Reading; 2], client: &mut SqlClient, aggregate: &str, snapshots: usize) -> Result<()> {
    for reading in sides {
        reading
            .wait("the end of the snapshot", client, async |reading: &Reading| {
                reading.completed(aggregate).await.is_ok_and(|completed| completed == snapshots)
            })
            .await?;
    }
    let [java, ours] = sides;
    same(aggregate, &java.notifications(aggregate).await?, &ours.notifications(aggregate).await?)
}

/// Shows the first difference: all of them together are long.
fn same<T: PartialEq + Debug>(what: &str, java: &[T], ours: &[T]) -> Result<()> {
    for (java, ours) in java.iter().zip(ours) {
        ensure!(java == ours, "{what}\n  java {java:?}\n  ours {ours:?}");
    }
    let next = java.get(ours.len()).or_else(|| ours.get(java.len()));
    ensure!(next.is_none(), "{what}: java has {}, ours {}, the next one is {next:?}", java.len(), ours.len());
    Ok(())
}

async fn same_rows(sides: &[Reading; 2]) -> Result<()> {
    let [java, ours] = sides;
    for (table, ..) in TABLES.iter().filter(|(_, _, rows)| !rows.is_empty()) {
        let (java, ours) = (java.rows(table).await?, ours.rows(table).await?);
        ensure!(!java.is_empty());
        same(table, &java, &ours)?;
    }
    Ok(())
}

/// The last record of the schema change topic, the last one of the history, and the last change.
async fn structures(reading: &Reading, bootstrap: &str) -> Result<[String; 3]> {
    let name = &reading.side.name;
    let last = |messages: Vec<Message>| messages.last().map(|message| masked(message, name).text);
    let changes = last(reading.messages(name).await?);
    let topic = reading.side.topic(DATABASE, "a");
    let change = last(reading.messages(&topic).await?);
    let history = consume_all(bootstrap, &format!("history.{name}"), false).await?;
    let mut entry: Value = serde_json::from_str(&history.last().map(|entry| entry.text()).unwrap_or_default())?;
    entry["ts_ms"] = entry["ts_ms"].is_i64().into();
    // Each has rows of its own in its signal table.
    entry["position"] = Value::from(entry["position"]["change_lsn"].is_string());
    let history = entry.to_string().replace(name, "NAME");
    Ok([changes.unwrap_or_default(), history, change.unwrap_or_default()])
}
