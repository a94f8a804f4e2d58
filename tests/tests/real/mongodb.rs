//! The MongoDB sink on real servers: FerretDB for users, mongo-java-server for what single commands write, MongoDB's own
//! sink in the Java worker as the oracle, and a replica set where `MONGODB_URI` names one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, ErrorKind, Factory, Offsets, Origin, Props, Record, SinkTask, TopicPartition, Value};
use tributary_testkit::FakeSinkHost;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, Mongo, RestClient, Tier, Tributary, WorkerOptions, create_topic, produce, require,
    unique, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const DATABASE: &str = "shop";
const TOPIC: &str = "orders";

fn props(uri: &str, more: &[(&str, &str)]) -> Props {
    let base = [("name", "test"), ("topics", TOPIC), ("connection.uri", uri), ("database", DATABASE)];
    base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn start(props: &Props) -> Result<(Box<dyn SinkTask>, Arc<FakeSinkHost>)> {
    let Factory::Sink(factory) = tributary_mongodb::plugins().remove(0).factory else { panic!("not a sink") };
    let (mut task, host) = ((factory.task)(), FakeSinkHost::tolerant());
    task.start(host.context(&CancellationToken::new()), props).await?;
    task.open(&[TopicPartition::new(TOPIC, 0)]).await?;
    Ok((task, host))
}

fn records(offsets: std::ops::Range<i64>) -> Vec<Record> {
    let one = |offset| {
        let mut record = Record::new(TOPIC, Datum::schemaless(Value::map([("n", Value::Int64(offset))])));
        record.origin = Origin::Kafka { topic: Arc::from(TOPIC), partition: 0, offset };
        record.with_key(Datum::schemaless(Value::map([("_id", Value::Int64(offset))])))
    };
    offsets.map(one).collect()
}

const BY_KEY: (&str, &str) =
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInKeyStrategy");
const INSERTS: (&str, &str) =
    ("writemodel.strategy", "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy");

#[tokio::test]
async fn an_unauthorized_user_is_reported_and_loses_no_records() -> Result<()> {
    if !require(Tier::FerretDb)? {
        return Ok(());
    }
    let mongo = Mongo::ferretdb().await?;
    for (user, password) in [(Mongo::USER, "a-wrong-password"), ("nobody", "a-wrong-password")] {
        let more = [BY_KEY, ("errors.tolerance", "all")];
        let (mut task, host) = start(&props(&mongo.uri_as(user, password), &more)).await?;
        let error = task.put(&records(0..1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains("refuses these credentials"), "{error:?}");
        assert!(!error.to_string().contains("a-wrong-password"), "{error:?}");
        assert_eq!(host.reported().len(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn refused_inserts_are_reported_by_their_positions() -> Result<()> {
    if !require(Tier::Mongo)? {
        return Ok(());
    }
    let mongo = Mongo::start().await?;
    let tolerant = [BY_KEY, INSERTS, ("errors.tolerance", "all"), ("bulk.write.ordered", "false")];
    let (mut task, host) = start(&props(&mongo.uri(), &tolerant)).await?;
    task.put(&records(3..5)).await?;
    task.put(&records(0..8)).await?;
    let refused: Vec<i64> = host.reported().iter().map(|(record, _)| record.consumed_from().unwrap().2).collect();
    assert_eq!(refused, [3, 4]);
    assert!(host.reported()[0].1.to_string().contains("code=11000"), "{:?}", host.reported()[0].1);
    assert_eq!(mongo.documents(DATABASE, TOPIC).await?.len(), 8);
    Ok(())
}

/// Values of many kinds under few keys: the later ones change, and some remove, what the earlier ones have written.
fn values() -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let value = |number: i64| {
        json!({
            "_id": number % 150, "number": number, "text": format!("käse {number}"), "ratio": number as f64 / 8.0, "none": null,
            "yes": number % 2 == 0, "list": [number, "two", {"three": 3}], "inner": {"deep": {"er": number}, "keep": "me"},
            "secret": "hide me",
        })
    };
    (0..3_000)
        .map(|number| (Some(json!({"_id": number % 150}).to_string().into()), value(number).to_string().into()))
        .collect()
}

/// What both sinks are given, each for a collection of its own.
fn configurations() -> Vec<(&'static str, Json)> {
    let sink = "com.mongodb.kafka.connect.sink";
    let id = |name: &str| format!("{sink}.processor.id.strategy.{name}");
    let model = |name: &str| format!("{sink}.writemodel.strategy.{name}");
    vec![
        ("replaced", json!({"document.id.strategy": id("ProvidedInValueStrategy")})),
        ("placed", json!({"document.id.strategy": id("KafkaMetaDataStrategy"), "bulk.write.ordered": "false"})),
        ("by-key", json!({"document.id.strategy": id("FullKeyStrategy"), "max.batch.size": "7"})),
        (
            "updated",
            json!({
                "document.id.strategy": id("ProvidedInKeyStrategy"),
                "writemodel.strategy": model("UpdateOneDefaultStrategy"),
                "post.processor.chain":
                    format!("{sink}.processor.DocumentIdAdder,{sink}.processor.BlockListValueProjector,{sink}.processor.NullFieldValueRemover"),
                "value.projection.type": "BlockList", "value.projection.list": "secret,inner.deep",
            }),
        ),
        (
            "business",
            json!({
                "document.id.strategy": id("PartialValueStrategy"),
                "document.id.strategy.partial.value.projection.type": "AllowList",
                "document.id.strategy.partial.value.projection.list": "yes",
                "writemodel.strategy": model("ReplaceOneBusinessKeyStrategy"),
                "field.renamer.mapping": r#"[{"oldName":"value.text","newName":"words"}]"#,
                "post.processor.chain": format!("{sink}.processor.DocumentIdAdder,{sink}.processor.field.renaming.RenameByMapping"),
            }),
        ),
    ]
}

async fn run(rest: &RestClient, mongo: &Mongo, topic: &str, database: &str) -> Result<()> {
    for (name, more) in configurations() {
        let mut config = json!({
            "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector", "tasks.max": "1", "topics": topic,
            "connection.uri": mongo.uri(), "database": database, "collection": name,
            "document.id.strategy.overwrite.existing": "true",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            // Not JSON: the Java worker's converter makes hash maps, and forgets the order of fields.
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        });
        let settings = more.as_object().context("an object")?;
        config.as_object_mut().context("an object")?.extend(settings.clone());
        rest.put_connector(name, &config).await?;
        rest.wait_running(name, 1, LIMIT).await?;
    }
    for (name, _) in configurations() {
        wait_until(LIMIT, "the last record in each collection", || async {
            let last = doc! { "number": 2_999_i64 };
            let collection = mongo.collection(database, name).await;
            matches!(collection, Ok(found) if matches!(found.find_one(last).await, Ok(Some(_))))
        })
        .await?;
    }
    Ok(())
}

/// Documents without the `_id`s that are made by chance, in an order that does not depend on them.
async fn found(mongo: &Mongo, database: &str, name: &str) -> Result<Vec<String>> {
    let without_chance = |mut document: Document| {
        if matches!(document.get("_id"), Some(Bson::ObjectId(_))) {
            document.insert("_id", "by chance");
        }
        document.to_string()
    };
    let mut documents: Vec<String> = mongo.documents(database, name).await?.into_iter().map(without_chance).collect();
    documents.sort();
    Ok(documents)
}

#[tokio::test]
async fn the_java_sink_writes_the_same_collections() -> Result<()> {
    if !require(Tier::JavaConnect)? || !require(Tier::Mongo)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let mongo = Mongo::start().await?;
    let topic = unique("values");
    create_topic(&kafka.bootstrap(), &topic, 1).await?;
    produce(&kafka.bootstrap(), &topic, values()).await?;

    let connect = Connect::start(kafka, ConnectOptions::default().mongo_kafka()).await?;
    run(&connect.rest(), &mongo, &topic, "java").await?;
    drop(connect);
    let worker = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("mongodb"))).await?;
    run(&worker.rest(), &mongo, &topic, "ours").await?;

    for (name, _) in configurations() {
        let java = found(&mongo, "java", name).await?;
        assert!(!java.is_empty());
        assert_eq!(found(&mongo, "ours", name).await?, java, "the documents of {name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_replica_set_takes_documents_and_offsets_in_one_transaction() -> Result<()> {
    if !require(Tier::ReplicaSet)? {
        return Ok(());
    }
    let uri = std::env::var("MONGODB_URI")?;
    let database = unique("tributary").replace('-', "_");
    let more = [("database", database.as_str()), BY_KEY, INSERTS, ("exactly.once.offsets.collection", "offsets")];
    let store = Client::with_uri_str(&uri).await?.database(&database);
    let (mut task, _) = start(&props(&uri, &more)).await?;
    task.put(&records(0..500)).await?;
    let (mut again, host) = start(&props(&uri, &more)).await?;
    assert_eq!(host.take_seeks(), Offsets::from([(TopicPartition::new(TOPIC, 0), 500)]));
    again.put(&records(0..700)).await?;
    // It has lost its partition.
    task.put(&records(500..600)).await?;
    assert_eq!(store.collection::<Document>(TOPIC).count_documents(doc! {}).await?, 700);
    let offset = store.collection::<Document>("offsets").find_one(doc! {}).await?.context("no offset is stored")?;
    assert_eq!(offset.get_i64("offset")?, 700);
    store.drop().await?;
    Ok(())
}
