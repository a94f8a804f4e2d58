//! Upserts into MongoDB: Tributary's sink, MongoDB's own in the Java worker, and Bento's output, each into an empty
//! mongo-java-server.

use std::time::Duration;

use anyhow::{Result, ensure};
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};
use tributary_tests::{
    Connect, ConnectOptions, Kafka, Mongo, Tier, create_topic, produce, require, unique, wait_until,
};

use crate::measure::{Measurement, Stopwatch};
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
        let bento = if require(Tier::Bento)? { Some(Kind::Bento) } else { None };
        for kind in Kind::ALL.into_iter().chain(bento) {
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

async fn sink(kafka: &Kafka, kind: Kind, topic: &str, mongo: &Mongo, upserts: usize) -> Result<Measurement> {
    let peer = match kind {
        Kind::Tributary | Kind::Bento => Peer::start(kafka, kind).await?,
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
    match &peer {
        Peer::Bento(bento) => bento.put_stream("upserts", &stream(kafka, topic, mongo)).await?,
        _ => drop(peer.rest().put_connector(&unique("bench-mongodb"), &config).await?),
    }
    let last = doc! { "_id": i64::try_from((upserts - 1) % upserts.div_ceil(WRITES))? };
    let collection = mongo.collection(DATABASE, COLLECTION).await?;
    wait_until(LIMIT, "the last record in the collection", || async {
        let found = collection.find_one(last.clone()).await.ok().flatten();
        // Bento writes numbers as small as they go.
        let number = |document: &Document| match document.get("number") {
            Some(Bson::Int64(number)) => usize::try_from(*number).ok(),
            Some(Bson::Int32(number)) => usize::try_from(*number).ok(),
            _ => None,
        };
        found.as_ref().and_then(number) == Some(upserts - 1)
    })
    .await?;
    let took = watch.stop(&peer)?;
    peer.stop().await?;
    Ok(took)
}

/// The same for Bento: batches as large as Tributary's, one after the other, for the order of a document's writes to stay.
fn stream(kafka: &Kafka, topic: &str, mongo: &Mongo) -> Value {
    let input = json!({
        "seed_brokers": [kafka.bootstrap()], "topics": [topic], "consumer_group": unique("bench-bento"),
        "start_from_oldest": true, "commit_period": "1s", "checkpoint_limit": 50_000,
        "batching": {"count": 5_000, "period": "20ms"},
    });
    let output = json!({
        "url": mongo.uri(), "database": DATABASE, "collection": COLLECTION, "operation": "replace-one", "upsert": true,
        "filter_map": "root._id = this._id", "document_map": "root = this", "max_in_flight": 1,
        "write_concern": {"w": "1"},
    });
    json!({"input": {"kafka_franz": input}, "output": {"mongodb": output}})
}

fn add(report: &mut Report, kind: Kind, count: usize, took: &Measurement, mongo: &Mongo) -> Result<()> {
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
