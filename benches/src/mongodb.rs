//! Upserts into MongoDB: Tributary's sink and MongoDB's own in the Java worker, each into an empty mongo-java-server.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tributary_tests::{Connect, ConnectOptions, Kafka, Mongo, create_topic, produce, unique, wait_until};

use crate::measure::{Stopwatch, Took};
use crate::peer::{Kind, Peer};
use crate::report::Report;

const LIMIT: Duration = Duration::from_secs(300);
/// Each document is written so often.
const WRITES: usize = 5;
const DATABASE: &str = "bench";
const COLLECTION: &str = "customers";

pub(crate) async fn run(kafka: &Kafka, rounds: usize, upserts: usize, report: &mut Report) -> Result<()> {
    let topic = unique("upserts");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    produce(&kafka.bootstrap(), &topic, records(upserts)).await?;
    for _ in 0..rounds {
        for kind in Kind::ALL {
            let mongo = Mongo::start().await?;
            let took = sink(kafka, kind, &topic, &mongo, upserts).await?;
            let documents = upserts.div_ceil(WRITES);
            ensure!(
                mongo.count(DATABASE, COLLECTION).await? == documents as u64,
                "there are not {documents} documents"
            );
            add(report, kind, upserts, &took, &mongo)?;
        }
    }
    Ok(())
}

fn records(count: usize) -> impl Iterator<Item = (Option<Vec<u8>>, Vec<u8>)> {
    let documents = count.div_ceil(WRITES);
    (0..count).map(move |number| {
        let id = number % documents;
        let value = json!({
            "_id": id, "number": number, "name": format!("customer {id:06}"), "city": (["London", "Leeds", "York"][id % 3]),
            "spent": (number * 7919 % 100_000) as f64 / 100.0, "status": "shipped", "active": number % 2 == 0,
        });
        (Some(id.to_string().into_bytes()), value.to_string().into_bytes())
    })
}

async fn sink(kafka: &Kafka, kind: Kind, topic: &str, mongo: &Mongo, upserts: usize) -> Result<Took> {
    let peer = match kind {
        Kind::Tributary => Peer::start(kafka, kind).await?,
        Kind::ConnectDefault | Kind::ConnectTuned => {
            let options = ConnectOptions::default().group(unique("bench")).mongo_kafka();
            Peer::Connect(Connect::start(kafka, options.set("offset.flush.interval.ms", "1000")).await?)
        }
    };
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector", "tasks.max": "1", "topics": topic,
        "connection.uri": mongo.uri(), "database": DATABASE, "collection": COLLECTION,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInValueStrategy",
    });
    if kind == Kind::ConnectTuned {
        config["consumer.override.max.poll.records"] = Value::from("5000");
    }
    let watch = Stopwatch::start(&peer)?;
    peer.rest().put_connector(&unique("bench-mongodb"), &config).await?;
    let last = mongodb::bson::doc! { "_id": i64::try_from((upserts - 1) % upserts.div_ceil(WRITES))? };
    let collection = mongo.collection(DATABASE, COLLECTION).await?;
    wait_until(LIMIT, "the last record in the collection", || async {
        let found = collection.find_one(last.clone()).await.ok().flatten();
        found.is_some_and(|document| document.get_i64("number").is_ok_and(|number| number as usize == upserts - 1))
    })
    .await?;
    let took = watch.stop(&peer)?;
    peer.stop().await?;
    Ok(took)
}

fn add(report: &mut Report, kind: Kind, count: usize, took: &Took, mongo: &Mongo) -> Result<()> {
    let (who, thousands) = (kind.name(), count as f64 / 1e3);
    report.add("MongoDB upserts, a second", who, "k records", 0, thousands / took.wall.as_secs_f64());
    report.add("MongoDB upserts, a CPU second", who, "k records", 0, thousands / took.cpu.as_secs_f64());
    report.add(
        "MongoDB upserts, a CPU second of the server",
        who,
        "k records",
        0,
        thousands / mongo.usage()?.cpu.as_secs_f64(),
    );
    report.add("MongoDB upserts, peak memory", who, "MB", 0, took.peak_rss_bytes as f64 / 1e6);
    Ok(())
}
