//! A connector moves from Debezium in the Java worker to Tributary and back, on the same topics: in the midst of a transaction,
//! and with a table that is altered in between.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, consume_all, require, unique,
    wait_until,
};

use super::sides::{LIMIT, Side};

pub(super) const DATABASE: &str = "shop";
/// Rows of one transaction.
const ROWS: usize = 3_000;
/// After so many rows of answers the connector sees no more until it is stopped.
const UNTIL: usize = 1_500;
/// So many of them have reached the topic by then: all but what the connector still holds.
const THROUGH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_goes_on_where_the_other_one_was_stopped_within_a_transaction() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let Moved { group, server: _server, mut client, mut java, side, mut config, kafka } = Moved::start().await?;
    let topic = Topic { bootstrap: kafka.bootstrap(), name: side.topic(DATABASE, "t") };

    stopped_amidst(&mut client, &side, &topic, 1).await?;
    java.stop().await?;
    let mut ours = Tributary::start(WorkerOptions::on_kafka(kafka, &group).set(FLUSH.0, FLUSH.1)).await?;
    let side = Side { rest: ours.rest(), ..side };
    // Otherwise it would read all rows of the transaction with one page.
    config["streaming.fetch.size"] = "500".into();
    side.rest.put_connector(&side.name, &config).await?;
    side.resume().await?;
    topic.holds(1 + ROWS).await?;
    stopped_amidst(&mut client, &side, &topic, 1 + ROWS).await?;
    ours.stop().await?;
    java.restart().await?;
    let side = Side { rest: java.rest(), ..side };
    side.resume().await?;
    topic.holds(1 + 2 * ROWS).await?;
    client.run("INSERT INTO dbo.t VALUES (-1, 'last')").await?;
    client.scan().await?;
    topic.holds(2 + 2 * ROWS).await?;

    let expected: Vec<i64> = (0..=2 * ROWS as i64).chain([-1]).collect();
    assert_eq!(topic.ids().await?, expected);
    side.rest.delete(&side.path("")).await?.success()?;
    Ok(())
}

/// While nothing reads, the table is altered and captured by one more instance: what the one has written to the schema history
/// tells the other one what the rows of before look like.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_knows_the_structures_that_the_other_one_has_read() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let Moved { group, server: _server, mut client, mut java, side, kafka, .. } = Moved::start().await?;
    let topic = Topic { bootstrap: kafka.bootstrap(), name: side.topic(DATABASE, "t") };
    client.run("INSERT INTO dbo.t VALUES (1, 'a')").await?;
    client.scan().await?;
    topic.holds(2).await?;
    side.stop().await?;
    java.stop().await?;

    for sql in ["INSERT INTO dbo.t VALUES (2, 'b')", "EXEC sys.sp_cdc_scan", "ALTER TABLE dbo.t ADD extra int NULL"] {
        client.run(sql).await?;
    }
    client.capture("t", "dbo_t_2").await?;
    client.run("INSERT INTO dbo.t VALUES (3, 'c', 33)").await?;
    client.scan().await?;
    let mut ours = Tributary::start(WorkerOptions::on_kafka(kafka, &group).set(FLUSH.0, FLUSH.1)).await?;
    let side = Side { rest: ours.rest(), ..side };
    side.resume().await?;
    topic.holds(4).await?;
    side.stop().await?;
    ours.stop().await?;

    for sql in [
        "EXEC sys.sp_cdc_disable_table N'dbo', N't', N'dbo_t'",
        "INSERT INTO dbo.t VALUES (4, 'd', 44)",
        "EXEC sys.sp_cdc_scan",
        "ALTER TABLE dbo.t ADD more varchar(5) NULL",
    ] {
        client.run(sql).await?;
    }
    client.capture("t", "dbo_t_3").await?;
    client.run("INSERT INTO dbo.t VALUES (5, 'e', 55, 'more')").await?;
    client.scan().await?;
    java.restart().await?;
    let side = Side { rest: java.rest(), ..side };
    side.resume().await?;
    topic.holds(6).await?;

    let expected = [
        json!({"id": 0, "name": "first"}),
        json!({"id": 1, "name": "a"}),
        json!({"id": 2, "name": "b"}),
        json!({"id": 3, "name": "c", "extra": 33}),
        json!({"id": 4, "name": "d", "extra": 44}),
        json!({"id": 5, "name": "e", "extra": 55, "more": "more"}),
    ];
    assert_eq!(topic.rows().await?, expected);
    side.rest.delete(&side.path("")).await?.success()?;
    Ok(())
}

pub(super) const FLUSH: (&str, &str) = ("offset.flush.interval.ms", "200");

/// A connector that runs in a Java worker, and has read the only row of its table.
struct Moved {
    kafka: &'static Kafka,
    group: String,
    server: SqlServer,
    client: SqlClient,
    java: Connect,
    side: Side,
    config: Value,
}

impl Moved {
    async fn start() -> Result<Self> {
        let (kafka, group) = (Kafka::shared().await?, unique("moved"));
        let server = SqlServer::start(&["--stepped"]).await?;
        let mut client = server.create_captured(DATABASE).await?;
        client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name varchar(40) NULL)").await?;
        client.capture("t", "dbo_t").await?;
        client.run("INSERT INTO dbo.t VALUES (0, 'first')").await?;
        client.scan().await?;
        let options = ConnectOptions::default().debezium().group(&group).set(FLUSH.0, FLUSH.1).jvm("-Xms64m -Xmx512m");
        let java = Connect::start(kafka, options).await?;

        let side = Side { rest: java.rest(), name: unique("shop") };
        let small = [
            ("max.batch.size", "100"),
            ("max.queue.size", "200"),
            ("key.converter.schemas.enable", "false"),
            ("value.converter.schemas.enable", "false"),
        ];
        let config = side.config(&kafka.bootstrap(), server.port(), &[DATABASE.to_owned()], &small);
        side.rest.put_connector(&side.name, &config).await?;
        side.wait_running().await?;
        wait_until(LIMIT, "the end of the snapshot", || async {
            let offset = side.offset(DATABASE).await.unwrap_or_default();
            offset.is_object() && offset["snapshot_completed"] != false
        })
        .await?;
        Ok(Self { kafka, group, server, client, java, side, config })
    }
}

/// One transaction of the rows from this number on, of which the connector has read a part when it is stopped.
async fn stopped_amidst(client: &mut SqlClient, side: &Side, topic: &Topic, first: usize) -> Result<()> {
    let rows: Vec<String> = (first..first + ROWS).map(|id| format!("({id}, 'row {id}')")).collect();
    let inserts: Vec<String> =
        rows.chunks(500).map(|rows| format!("INSERT INTO dbo.t VALUES {}", rows.join(", "))).collect();
    client
        .run(&format!(
            "EXEC standin.fault @on = 'row', @action = 'stall', @milliseconds = 20000, @skip = {UNTIL}, @times = 1, \
             @application = '{}'",
            side.name
        ))
        .await?;
    client.run(&format!("BEGIN TRANSACTION; {}; COMMIT", inserts.join("; "))).await?;
    client.scan().await?;
    topic.holds(first + THROUGH).await?;
    side.stop().await?;
    client.run("EXEC standin.clear_faults").await?;
    let written = topic.ids().await?.len();
    ensure!(written < first + ROWS, "all rows from {first} on were written before it was stopped");
    Ok(())
}

pub(super) struct Topic {
    pub(super) bootstrap: String,
    pub(super) name: String,
}

impl Topic {
    pub(super) async fn holds(&self, count: usize) -> Result<()> {
        let what = format!("{count} records in {}", self.name);
        wait_until(LIMIT, &what, || async { self.ids().await.is_ok_and(|ids| ids.len() >= count) }).await
    }

    /// What the table's rows are after each change.
    async fn rows(&self) -> Result<Vec<Value>> {
        let messages = consume_all(&self.bootstrap, &self.name, false).await?;
        messages.iter().map(|message| Ok(serde_json::from_str::<Value>(&message.text())?["after"].clone())).collect()
    }

    pub(super) async fn ids(&self) -> Result<Vec<i64>> {
        let messages = consume_all(&self.bootstrap, &self.name, false).await?;
        let id = |text: String| serde_json::from_str::<Value>(&text).ok().and_then(|key| key["id"].as_i64());
        Ok(messages.iter().filter_map(|message| id(message.key_text())).collect())
    }
}
