//! Change data capture in transactions: a worker that is killed again and again sends every change once.

use rand::Rng as _;
use tributary_tests::SqlServer;

use super::*;

const DATABASE: &str = "shop";
const TABLE: &str = "t";
/// Rows of which the keys move with each statement.
const ROWS: usize = 400;
const ROUNDS: usize = 8;

/// Operations and keys, in order.
async fn changes(bootstrap: &str, topic: &str) -> Vec<(String, i64)> {
    let messages = consume_all(bootstrap, topic, true).await.unwrap_or_default();
    let change = |text: String| {
        let value: Value = serde_json::from_str(&text).unwrap();
        let (operation, row) =
            (value["op"].as_str().unwrap().to_owned(), ["after", "before"].map(|part| &value[part]["id"]));
        (operation, row.into_iter().find_map(Value::as_i64).unwrap())
    };
    messages.iter().map(|message| change(message.text())).collect()
}

/// A statement that moves all keys deletes every row before it inserts the first one: within it a position comes twice. The
/// worker is killed while such transactions are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_sql_server_are_sent_once_whenever_the_worker_is_killed() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (group, prefix) = (unique("cdc"), unique("cdc"));
    let topic = format!("{prefix}.{DATABASE}.dbo.{TABLE}");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    let server = SqlServer::start(&["--stepped"]).await?;
    let mut client = server.create_captured(DATABASE).await?;
    client.run(&format!("CREATE TABLE dbo.{TABLE} (id int NOT NULL PRIMARY KEY)")).await?;
    client.capture(TABLE, "dbo_t").await?;
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let config = json!({
        "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": server.port().to_string(),
        "database.user": SqlServer::USER, "database.password": SqlServer::PASSWORD, "database.names": DATABASE,
        "driver.encrypt": "false", "topic.prefix": prefix, "exactly.once.support": "required",
        "schema.history.internal.kafka.topic": format!("history.{prefix}"),
        "schema.history.internal.kafka.bootstrap.servers": kafka.bootstrap(),
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "max.batch.size": "37", "max.queue.size": "100", "poll.interval.ms": "5", "tombstones.on.delete": "false",
        "key.converter": json, "value.converter": json, "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
    });
    let mut worker = Some(start(kafka, &group).await?);
    let rest = |worker: &Option<Tributary>| worker.as_ref().unwrap().rest();
    rest(&worker).put_connector("cdc", &config).await?;
    rest(&worker).wait_running("cdc", 1, LIMIT).await?;
    let rows: Vec<String> = (0..ROWS).map(|id| format!("({id})")).collect();
    let insert = format!("INSERT INTO dbo.{TABLE} VALUES {}", rows.join(", "));
    // What is inserted is either a row of the snapshot or a change: the snapshot has to be over.
    wait_until(LIMIT, "the snapshot", || async {
        let offsets = rest(&worker).get("/connectors/cdc/offsets").await.map(|offsets| offsets.json());
        offsets.is_ok_and(|offsets| offsets["offsets"][0]["offset"].is_object())
            || structures(&kafka.bootstrap(), &prefix).await > 0
    })
    .await?;
    client.run(&insert).await?;
    client.scan().await?;
    let mut expected: Vec<(String, i64)> = (0..ROWS as i64).map(|id| ("c".to_owned(), id)).collect();
    for round in 0..ROUNDS as i64 {
        let (from, to) = (round * 1_000, (round + 1) * 1_000);
        client.run(&format!("UPDATE dbo.{TABLE} SET id = id + 1000")).await?;
        client.scan().await?;
        expected.extend((from..from + ROWS as i64).map(|id| ("d".to_owned(), id)));
        expected.extend((to..to + ROWS as i64).map(|id| ("c".to_owned(), id)));
        // Somewhere on the way: a part of the changes is there.
        let seen = expected.len() - rand::rng().random_range(1..2 * ROWS);
        wait_until(LIMIT, "some of the changes", || async {
            changes(&kafka.bootstrap(), &topic).await.len() + ROWS >= seen
        })
        .await?;
        if let Some(mut killed) = worker.take() {
            killed.kill9()?;
        }
        worker = Some(start(kafka, &group).await?);
    }
    wait_until(LIMIT, "all changes", || async { changes(&kafka.bootstrap(), &topic).await.len() >= expected.len() })
        .await?;
    client.run(&format!("INSERT INTO dbo.{TABLE} VALUES (-1)")).await?;
    client.scan().await?;
    expected.push(("c".to_owned(), -1));
    wait_until(LIMIT, "the last change", || async {
        changes(&kafka.bootstrap(), &topic).await.last().is_some_and(|(_, id)| *id == -1)
    })
    .await?;
    let sent = changes(&kafka.bootstrap(), &topic).await;
    // Within a statement the order of keys is the server's.
    let sorted = |changes: &[(String, i64)]| {
        let mut parts: Vec<Vec<(String, i64)>> = changes.chunks(ROWS).map(<[_]>::to_vec).collect();
        parts.iter_mut().for_each(|part| part.sort());
        parts
    };
    assert_eq!(sorted(&sent), sorted(&expected));
    worker.take().unwrap().stop().await
}

async fn start(kafka: &Kafka, group: &str) -> Result<Tributary> {
    Tributary::start(WorkerOptions::on_kafka(kafka, group).set(SUPPORT, "enabled")).await
}

/// How many records the schema change topic has.
async fn structures(bootstrap: &str, prefix: &str) -> usize {
    consume_all(bootstrap, prefix, true).await.map_or(0, |records| records.len())
}
