//! A worker that writes to MongoDB, and the server itself, are killed at random points: every key has its last value.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tributary_tests::{
    Kafka, Mongo, Tier, Tributary, WorkerOptions, create_topic, produce, require, unique, wait_until,
};

const RECORDS: u32 = 200_000;
/// Every other record brings a new key.
const KEYS: u32 = RECORDS / 2;
const KILLS: usize = 6;
const LIMIT: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_key_has_its_last_value_when_worker_and_server_are_killed() -> Result<()> {
    if !require(Tier::RealKafka)? || !require(Tier::Mongo)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    // Its collections are in a file: what it has acknowledged is there after a kill.
    let mut mongo = Mongo::durable().await?;
    create_topic(&kafka.bootstrap(), "orders", 2).await?;
    let value = |number: u32| {
        json!({"_id": key(number).to_string(), "number": number, "text": format!("order {number}")})
            .to_string()
            .into_bytes()
    };
    let records = (0..RECORDS).map(move |number| (Some(key(number).to_string().into_bytes()), value(number)));
    produce(&kafka.bootstrap(), "orders", records).await?;
    let mut expected = BTreeMap::new();
    for number in 0..RECORDS {
        expected.insert(key(number).to_string(), i64::from(number));
    }

    let options = WorkerOptions::on_kafka(&kafka, &unique("mongodb"))
        .set("offset.flush.interval.ms", "200")
        .set("consumer.session.timeout.ms", "6000");
    let mut worker = Tributary::start(options).await?;
    let config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector", "tasks.max": "2", "topics": "orders",
        "connection.uri": format!("{}&serverSelectionTimeoutMS=1000", mongo.uri()), "database": "shop",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInValueStrategy",
        "consumer.override.max.poll.records": "500",
    });
    worker.rest().put_connector("orders", &config).await?;

    let mut hits = 0;
    for kill in 0..KILLS {
        let share = f64::from(KEYS) * (kill as f64 + rand::random::<f64>()) / KILLS as f64;
        wait_until(LIMIT, "the next point to kill at", || async {
            mongo.count("shop", "orders").await.is_ok_and(|count| count >= share as u64)
        })
        .await?;
        hits += usize::from(mongo.count("shop", "orders").await? < u64::from(KEYS));
        if kill % 2 == 0 {
            worker.kill9()?;
            worker.restart().await?;
        } else {
            mongo.kill9().await?;
            mongo.restart().await?;
        }
    }
    let mut wrong = BTreeMap::new();
    let all_written = wait_until(LIMIT, "the last record to be written", || async { kafka_is_consumed(&kafka).await });
    if let Err(error) = all_written.await {
        let status = worker.rest().get("/connectors/orders/status").await?.text;
        return Err(error.context(status));
    }
    for document in mongo.documents("shop", "orders").await? {
        let (id, number) = (document.get_str("_id")?.to_owned(), document.get_i64("number")?);
        if expected.remove(&id).context("a key that was never written")? != number {
            wrong.insert(id, number);
        }
    }
    assert_eq!((wrong, expected), (BTreeMap::new(), BTreeMap::new()), "wrong values, and keys that are not there");
    assert!(hits > 0, "no kill came before all keys were there: the test has shown nothing");
    worker.stop().await?;
    Ok(())
}

/// A new key for every even number, an earlier one for every odd number.
fn key(number: u32) -> u32 {
    if number.is_multiple_of(2) { number / 2 } else { number.wrapping_mul(2_654_435_761) % (number / 2 + 1) }
}

/// Whether the sink's group has committed all records.
async fn kafka_is_consumed(kafka: &Kafka) -> bool {
    let committed = tributary_tests::committed_offsets(&kafka.bootstrap(), "connect-orders", "orders").await;
    committed.is_ok_and(|offsets| offsets.values().sum::<i64>() >= i64::from(RECORDS))
}
