//! Incremental snapshots by Debezium 3.6.3 in the Java worker and by Tributary, of the same tables: each is paused after its
//! first chunk, and resumed. Rows, notifications and what the offsets have of the snapshot are the same. The positions of
//! rows are not: each connector writes rows of its own into its signal table.

use anyhow::Result;
use serde_json::{Map, Value};
use tributary_tests::{Connect, ConnectOptions, Kafka, SqlServer, Tier, Tributary, WorkerOptions, require, unique};

use super::reading::{DATABASE, INCREMENTAL, Reading, create_tables};

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
    create_tables(&mut client, &TABLES).await?;

    let flush = ("offset.flush.interval.ms", "200");
    let options = ConnectOptions::default().debezium().set(flush.0, flush.1).jvm("-Xms64m -Xmx512m");
    let java = Connect::start(kafka, options).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours")).set(flush.0, flush.1)).await?;
    let name = unique("").replace('-', "");
    let sides = [(java.rest(), "java"), (ours.rest(), "ours")]
        .map(|(rest, kind)| Reading::new(rest, kind, &name, kafka.bootstrap()));
    let tables = TABLES.map(|(table, ..)| table);
    let settings = [("snapshot.mode", "no_data"), ("incremental.snapshot.chunk.size", "2")];
    for reading in &sides {
        reading.post(server.port(), &tables, &settings).await?;
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
                reading.completed(INCREMENTAL).await.is_ok_and(|completed| completed == 1)
            })
            .await?;
    }
    let [java, ours] = &sides;
    for (table, ..) in TABLES.iter().filter(|(_, _, rows)| !rows.is_empty()) {
        assert_eq!(java.rows(table).await?, ours.rows(table).await?, "{table}");
    }
    assert_eq!(java.notifications(INCREMENTAL).await?, ours.notifications(INCREMENTAL).await?);
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
