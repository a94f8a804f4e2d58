use async_trait::async_trait;
use bytes::Bytes;
use bytestring::ByteString;

use crate::{Props, Result, Topic};

/// A topic that a plugin wants to write to; created unless it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 leaves it to the broker.
    pub partitions: i32,
    /// How many replicas; -1 leaves it to the broker.
    pub replication_factor: i32,
}

/// How a [`TopicWriter`] reaches its topics.
///
/// Settings are those of Kafka's own clients. When `bootstrap.servers` is among those of the producer, they stand alone;
/// otherwise they are added to the settings that the connector's other clients have.
#[derive(Clone, Debug, Default)]
pub struct TopicWriterOptions {
    /// Settings of the producer.
    pub producer: Props,
    /// Settings of the client that creates the topics. Those of how to reach the broker that are missing here are the
    /// producer's.
    pub admin: Props,
    /// Topics to create before the first record is written.
    pub topics: Vec<NewTopic>,
}

/// A record as it is written: bytes already.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Writes records beside those of the task's own flow. Shared by reference: several may write at the same time.
#[async_trait]
pub trait TopicWriter: Send + Sync {
    /// Writes records, in order, and returns when the broker has acknowledged all. It never blocks the thread.
    ///
    /// # Errors
    /// When one of them was not written; the others may have been.
    async fn write(&self, records: Vec<TopicRecord>) -> Result<()>;
}
