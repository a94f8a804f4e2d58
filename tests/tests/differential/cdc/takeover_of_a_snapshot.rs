//! A connector moves while its first snapshot runs. Debezium itself begins the snapshot again at its next start; so does
//! whichever of the two continues.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, RestClient, SqlServer, Tier, Tributary, WorkerOptions, consume_all, require,
    unique, wait_until,
};

use super::sides::{LIMIT, Side};
use super::takeover::{DATABASE, FLUSH, Topic};

/// Rows of the table.
const ROWS: usize = 3_000;
/// After so many rows of answers the connector sees no more until it is stopped.
const UNTIL: usize = 1_500;
/// So many of them have reached the topic by then.
const THROUGH: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worker {
    Java,
    Ours,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_the_other_one_has_begun_is_taken_again() -> Result<()> {
    if !require(Tier::Debezium)? {
        return Ok(());
    }
    let usual = moved(Worker::Java, Worker::Java).await?;
    // Without the row that was deleted while nothing read, and with the one that came.
    let expected: Vec<(i64, &str, &str)> = (1..=ROWS as i64 + 1)
        .map(|id| (id, "r", if id == 1 { "first" } else { "true" }))
        .chain([(-1, "c", "false")])
        .collect();
    let known: Vec<_> = usual.records.iter().map(|(id, op, mark)| (*id, op.as_str(), mark.as_str())).collect();
    assert_eq!(without_last(&known), without_last(&expected));
    assert_eq!(usual.history, ["CREATE id,name", "CREATE id,name,extra"]);
    for (first, then) in [(Worker::Java, Worker::Ours), (Worker::Ours, Worker::Java)] {
        let run = moved(first, then).await?;
        assert_eq!(run.records, usual.records, "{first:?}, then {then:?}");
        assert_eq!(run.history, usual.history, "{first:?}, then {then:?}");
        assert_eq!(run.offset, usual.offset, "{first:?}, then {then:?}");
    }
    Ok(())
}

/// The mark of the last row of the snapshot is the connector's own matter; both are compared later.
fn without_last<'a>(records: &[(i64, &'a str, &'a str)]) -> Vec<(i64, &'a str, &'a str)> {
    records.iter().map(|(id, op, mark)| (*id, *op, if *mark == "last" { "true" } else { mark })).collect()
}

/// What the second worker has written.
struct Continued {
    /// Key, operation and place in the snapshot.
    records: Vec<(i64, String, String)>,
    /// What happened to which columns, of both.
    history: Vec<String>,
    /// The names of what is stored after the snapshot, and whether the snapshot is complete.
    offset: Value,
}

async fn moved(first: Worker, then: Worker) -> Result<Continued> {
    let (kafka, group) = (Kafka::shared().await?, unique("broken"));
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    client.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name varchar(40) NULL)").await?;
    client.capture("t", "dbo_t").await?;
    let rows: Vec<String> = (0..ROWS).map(|id| format!("({id}, 'row {id}')")).collect();
    for rows in rows.chunks(500) {
        client.run(&format!("INSERT INTO dbo.t VALUES {}", rows.join(", "))).await?;
    }
    client.scan().await?;

    let name = unique("shop");
    client
        .run(&format!(
            "EXEC standin.fault @on = 'row', @action = 'stall', @milliseconds = 20000, @skip = {UNTIL}, @times = 1, \
             @application = '{name}'"
        ))
        .await?;
    let begun = Running::start(first, kafka, &group).await?;
    let side = Side { rest: begun.rest(), name };
    let topic = Topic { bootstrap: kafka.bootstrap(), name: side.topic(DATABASE, "t") };
    let small = [
        ("max.batch.size", "100"),
        ("max.queue.size", "200"),
        ("key.converter.schemas.enable", "false"),
        ("value.converter.schemas.enable", "false"),
    ];
    let config = side.config(&kafka.bootstrap(), server.port(), &[DATABASE.to_owned()], &small);
    side.rest.put_connector(&side.name, &config).await?;
    topic.holds(THROUGH).await?;
    wait_until(LIMIT, "an offset of the snapshot", || async {
        side.offset(DATABASE).await.is_ok_and(|offset| offset["snapshot_completed"] == false)
    })
    .await?;
    side.stop().await?;
    begun.stop().await?;
    client.run("EXEC standin.clear_faults").await?;
    let written = topic.ids().await?.len();
    ensure!(written < ROWS, "all rows were written before it was stopped");

    // No change of this time is read as one: the new snapshot begins after them.
    client.run("DELETE FROM dbo.t WHERE id = 0").await?;
    client.run(&format!("INSERT INTO dbo.t VALUES ({ROWS}, 'new')")).await?;
    client.run("ALTER TABLE dbo.t ADD extra int NULL").await?;
    client.run("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'dbo_t'").await?;
    client.capture("t", "dbo_t_2").await?;
    client.run(&format!("INSERT INTO dbo.t VALUES ({}, 'new', 7)", ROWS + 1)).await?;
    client.scan().await?;
    let running = Running::start(then, kafka, &group).await?;
    let side = Side { rest: running.rest(), ..side };
    side.resume().await?;
    topic.holds(written + ROWS + 1).await?;
    wait_until(LIMIT, "the end of the snapshot", || async {
        let offset = side.offset(DATABASE).await.unwrap_or_default();
        offset.is_object() && offset["snapshot_completed"] != false
    })
    .await?;
    let offset = side.offset(DATABASE).await?;
    client.run("INSERT INTO dbo.t VALUES (-1, 'last', 8)").await?;
    client.scan().await?;
    topic.holds(written + ROWS + 2).await?;
    let messages = consume_all(&topic.bootstrap, &topic.name, false).await?;
    let parsed = |message: &tributary_tests::Message| -> Result<(i64, String, String)> {
        let (key, value): (Value, Value) =
            (serde_json::from_str(&message.key_text())?, serde_json::from_str(&message.text())?);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok((key["id"].as_i64().unwrap_or_default(), text(&value["op"]), text(&value["source"]["snapshot"])))
    };
    let records = messages[written..].iter().map(parsed).collect::<Result<_>>()?;
    let history = consume_all(&kafka.bootstrap(), &format!("history.{}", side.name), false).await?;
    let history = history.iter().map(|message| told(&message.text())).collect::<Result<_>>()?;
    side.rest.delete(&side.path("")).await?.success()?;
    running.stop().await?;
    Ok(Continued { records, history, offset: masked(offset) })
}

fn told(record: &str) -> Result<String> {
    let record: Value = serde_json::from_str(record)?;
    let change = &record["tableChanges"][0];
    let columns = change["table"]["columns"].as_array().into_iter().flatten();
    let columns: Vec<&str> = columns.filter_map(|column| column["name"].as_str()).collect();
    Ok(format!("{} {}", change["type"].as_str().unwrap_or_default(), columns.join(",")))
}

/// Each run has a log of its own.
fn masked(mut offset: Value) -> Value {
    offset["commit_lsn"] = json!("LSN");
    offset
}

enum Running {
    Java(Connect),
    Ours(Tributary),
}

impl Running {
    async fn start(worker: Worker, kafka: &Kafka, group: &str) -> Result<Self> {
        Ok(match worker {
            Worker::Java => {
                let options = ConnectOptions::default().debezium().group(group).set(FLUSH.0, FLUSH.1);
                Self::Java(Connect::start(kafka, options.jvm("-Xms64m -Xmx512m")).await?)
            }
            Worker::Ours => {
                Self::Ours(Tributary::start(WorkerOptions::on_kafka(kafka, group).set(FLUSH.0, FLUSH.1)).await?)
            }
        })
    }

    fn rest(&self) -> RestClient {
        match self {
            Self::Java(java) => java.rest(),
            Self::Ours(ours) => ours.rest(),
        }
    }

    async fn stop(self) -> Result<()> {
        match self {
            Self::Java(mut java) => java.stop().await,
            Self::Ours(mut ours) => ours.stop().await,
        }
    }
}
