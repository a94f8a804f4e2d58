//! A task as the worker would drive it, on a server double.

use std::sync::Arc;

use mongodb::bson::Document;
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, Offsets, Origin, Plugin, Props, Record, Result, SinkTask, TopicPartition, Value};
use tributary_testkit::FakeSinkHost;

use crate::double::Double;

pub(crate) const TOPIC: &str = "orders";
pub(crate) const OTHER: &str = "returns";

/// `_id`s made of topic, partition and offset.
pub(crate) const BY_PLACE: (&str, &str) =
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy");
/// `_id`s from the key, and tombstones that delete.
pub(crate) const BY_KEY: [(&str, &str); 2] = [
    ("document.id.strategy", "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInKeyStrategy"),
    ("delete.on.null.values", "true"),
];
pub(crate) const INSERTS: (&str, &str) =
    ("writemodel.strategy", "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy");
pub(crate) const UNORDERED: (&str, &str) = ("bulk.write.ordered", "false");
pub(crate) const TOLERANT: (&str, &str) = ("errors.tolerance", "all");

pub(crate) struct Task {
    pub(crate) task: Box<dyn SinkTask>,
    pub(crate) host: Arc<FakeSinkHost>,
}

impl Task {
    pub(crate) async fn start(double: &Double, more: &[(&str, &str)]) -> Self {
        Self::start_with(&props(double, more), FakeSinkHost::new()).await
    }

    /// With a dead letter queue.
    pub(crate) async fn start_tolerant(double: &Double, more: &[(&str, &str)]) -> Self {
        Self::start_with(&props(double, more), FakeSinkHost::tolerant()).await
    }

    pub(crate) async fn start_with(props: &Props, host: Arc<FakeSinkHost>) -> Self {
        let mut task = make();
        task.start(host.context(&CancellationToken::new()), props).await.unwrap();
        task.open(&[partition()]).await.unwrap();
        Self { task, host }
    }

    pub(crate) async fn put(&mut self, records: &[Record]) -> Result<()> {
        self.task.put(records).await
    }

    pub(crate) async fn safe(&mut self, consumed: i64) -> Option<i64> {
        let safe = self.task.pre_commit(&Offsets::from([(partition(), consumed)])).await.unwrap();
        safe.get(&partition()).copied()
    }

    /// Offset and class of each reported record.
    pub(crate) fn reported(&self) -> Vec<(i64, String)> {
        let reported = self.host.reported();
        let one = |(record, error): &(Record, tributary_api::Error)| {
            let class = error.class().rsplit('.').next().unwrap().to_owned();
            (record.consumed_from().unwrap().2, class)
        };
        reported.iter().map(one).collect()
    }
}

pub(crate) fn make() -> Box<dyn SinkTask> {
    let Factory::Sink(factory) = plugin().factory else { panic!("not a sink") };
    (factory.task)()
}

pub(crate) fn plugin() -> Plugin {
    tributary_mongodb::plugins().remove(0)
}

pub(crate) fn props(double: &Double, more: &[(&str, &str)]) -> Props {
    let uri = double.uri();
    let topics = format!("{TOPIC},{OTHER}");
    let base = [
        ("name", "test"),
        ("topics", topics.as_str()),
        ("connection.uri", uri.as_str()),
        ("database", "shop"),
        ("retry.backoff.ms", "5"),
        ("retry.backoff.max.ms", "20"),
    ];
    base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new(TOPIC, 0)
}

/// A record of a topic's partition 0.
pub(crate) fn record(topic: &str, offset: i64, value: Value) -> Record {
    let mut record = Record::new(topic, Datum::schemaless(value));
    record.origin = Origin::Kafka { topic: Arc::from(topic), partition: 0, offset };
    record
}

/// A record whose key holds `_id`.
pub(crate) fn keyed(topic: &str, offset: i64, id: i64, value: Value) -> Record {
    record(topic, offset, value).with_key(Datum::schemaless(Value::map([("_id", Value::Int64(id))])))
}

pub(crate) fn number(offset: i64) -> Value {
    Value::map([("n", Value::Int64(offset))])
}

/// What the double's collections refuse.
pub(crate) fn forbidden(offset: i64) -> Value {
    Value::map([("n", Value::Int64(offset)), ("forbidden", Value::Boolean(true))])
}

/// The field `n` of documents.
pub(crate) fn numbers(documents: &[Document]) -> Vec<i64> {
    documents.iter().map(|document| document.get_i64("n").unwrap()).collect()
}
