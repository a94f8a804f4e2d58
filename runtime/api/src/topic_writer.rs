use async_trait::async_trait;
use bytes::Bytes;
use bytestring::ByteString;

use crate::{Props, Result, Topic};

/// A topic that a plugin wants to write to; created unless it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 leaves it to the broker.
    pub partitions: i32,
    /// How many replicas; -1 leaves it to the broker.
    pub replication_factor: i32,
    /// Settings of the topic, such as `retention.ms`; the broker has its own for the others.
    pub config: Props,
}

impl NewTopic {
    /// A topic with as many partitions and replicas as the broker gives one.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: -1, replication_factor: -1, config: Props::new() }
    }

    /// The same topic with so many partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// The same topic with so many replicas.
    #[must_use]
    pub fn replication_factor(mut self, replicas: i32) -> Self {
        self.replication_factor = replicas;
        self
    }

    /// The same topic with one more setting.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.insert(name.into(), value.into());
        self
    }
}

/// How a [`TopicWriter`] reaches its topics.
///
/// Settings are those of Kafka's own clients. When `bootstrap.servers` is among those of the producer, only they are
/// used; otherwise they are added to the settings of the connector's other clients.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TopicWriterOptions {
    /// Settings of the producer.
    pub producer: Props,
    /// Settings of the client that creates the topics. Those of how to reach the broker that are missing here are the
    /// producer's.
    pub admin: Props,
    /// Topics to create before the first record is written.
    pub topics: Vec<NewTopic>,
}

impl TopicWriterOptions {
    /// The same with settings of the producer.
    #[must_use]
    pub fn producer(mut self, settings: Props) -> Self {
        self.producer = settings;
        self
    }

    /// The same with settings of the client that creates the topics.
    #[must_use]
    pub fn admin(mut self, settings: Props) -> Self {
        self.admin = settings;
        self
    }

    /// The same with one more topic.
    #[must_use]
    pub fn topic(mut self, topic: NewTopic) -> Self {
        self.topics.push(topic);
        self
    }
}

/// A record as it is written: bytes already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicRecord {
    /// The topic.
    pub topic: Topic,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<(ByteString, Option<Bytes>)>,
    /// Milliseconds since the epoch; the time of writing without one.
    pub timestamp: Option<i64>,
}

impl TopicRecord {
    /// A record for a topic, everything else absent.
    pub fn new(topic: impl Into<Topic>) -> Self {
        Self { topic: topic.into(), key: None, value: None, headers: Vec::new(), timestamp: None }
    }

    /// The same record with a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same record with a value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The same record with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<ByteString>, value: Option<Bytes>) -> Self {
        self.headers.push((name.into(), value));
        self
    }
}

/// Writes records outside the task's own flow. Shared by reference: several may write at the same time.
///
/// ```
/// use tributary_api::{NewTopic, Result, SinkTaskContext, TopicRecord, TopicWriterOptions};
///
/// async fn report(cx: &SinkTaskContext, what: &'static str) -> Result<()> {
///     let options = TopicWriterOptions::default().topic(NewTopic::new("reports"));
///     let writer = cx.topic_writer(options).await?;
///     writer.write(vec![TopicRecord::new("reports").value(what.as_bytes())]).await
/// }
/// ```
#[async_trait]
pub trait TopicWriter: Send + Sync {
    /// Writes records, in order, and returns when the broker has acknowledged all. It never blocks the thread.
    ///
    /// # Errors
    /// When one of them was not written; the others may have been.
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()>;
}
