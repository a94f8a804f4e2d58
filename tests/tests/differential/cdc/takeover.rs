//! A connector moves from Debezium in the Java worker to Tributary and back, on the same topics, each time in the midst of a
//! transaction.

use anyhow::{Result, ensure};
use serde_json::Value;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, SqlClient, SqlServer, Tier, Tributary, WorkerOptions, consume_all, require, unique,
    wait_until,
};

use super::sides::{LIMIT, Side};

const DATABASE: &str = "shop";
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
    let (kafka, group) = (Kafka::shared().await?, unique("moved"));
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name varchar(40) NULL)").await?;
    client.capture("t", "dbo_t").await?;
    client.run("INSERT INTO dbo.t VALUES (0, 'first')").await?;
    client.scan().await?;
    let flush = ("offset.flush.interval.ms", "200");
    let options = ConnectOptions::default().debezium().group(&group).set(flush.0, flush.1).jvm("-Xms64m -Xmx512m");
    let mut java = Connect::start(kafka, options).await?;

    let side = Side { rest: java.rest(), name: unique("shop") };
    let small = [
        ("max.batch.size", "100"),
        ("max.queue.size", "200"),
        ("key.converter.schemas.enable", "false"),
        ("value.converter.schemas.enable", "false"),
    ];
    let mut config = side.config(&kafka.bootstrap(), server.port(), &[DATABASE.to_owned()], &small);
    side.rest.put_connector(&side.name, &config).await?;
    side.wait_running().await?;
    wait_until(LIMIT, "the end of the snapshot", || async {
        let offset = side.offset(DATABASE).await.unwrap_or_default();
        offset.is_object() && offset["snapshot_completed"] != false
    })
    .await?;
    let topic = Topic { bootstrap: kafka.bootstrap(), name: side.topic(DATABASE, "t") };

    stopped_amidst(&mut client, &side, &topic, 1).await?;
    java.stop().await?;
    let mut ours = Tributary::start(WorkerOptions::on_kafka(kafka, &group).set(flush.0, flush.1)).await?;
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

struct Topic {
    bootstrap: String,
    name: String,
}

impl Topic {
    async fn holds(&self, count: usize) -> Result<()> {
        let what = format!("{count} records in {}", self.name);
        wait_until(LIMIT, &what, || async { self.ids().await.is_ok_and(|ids| ids.len() >= count) }).await
    }

    async fn ids(&self) -> Result<Vec<i64>> {
        let messages = consume_all(&self.bootstrap, &self.name, false).await?;
        let id = |text: String| serde_json::from_str::<Value>(&text).ok().and_then(|key| key["id"].as_i64());
        Ok(messages.iter().filter_map(|message| id(message.key_text())).collect())
    }
}
