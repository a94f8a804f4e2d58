use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{SchemaRef, SourceOffset, SourcePartition, Value};

/// A topic's name, shared by all its records.
pub type Topic = Arc<str>;

/// A value with its schema, if it has one: `SchemaAndValue` of Kafka Connect.
#[doc(alias = "SchemaAndValue")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Datum {
    /// The description of the value; absent for schemaless data.
    pub schema: Option<SchemaRef>,
    /// The value; [`Value::Null`] when absent.
    pub value: Value,
}

impl Datum {
    /// Neither schema nor value.
    pub const NULL: Self = Self { schema: None, value: Value::Null };

    /// A value with a schema.
    pub fn new(schema: SchemaRef, value: impl Into<Value>) -> Self {
        Self { schema: Some(schema), value: value.into() }
    }

    /// A value without a schema.
    pub fn schemaless(value: impl Into<Value>) -> Self {
        Self { schema: None, value: value.into() }
    }
}

/// One header; names may repeat.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// The name.
    pub name: ByteString,
    /// The value.
    pub datum: Datum,
    /// The value's bytes in the topic it was consumed from: a header converter cannot always write its value unchanged.
    /// None for a header without a value, or one that was created or changed later.
    pub raw: Option<Bytes>,
}

impl Header {
    /// A header with a value, made here.
    pub fn new(name: impl Into<ByteString>, datum: Datum) -> Self {
        Self { name: name.into(), datum, raw: None }
    }
}

/// Headers, in order. Empty headers allocate nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<ByteString>, datum: Datum) {
        self.0.push(Header { name: name.into(), datum, raw: None });
    }

    /// Adds one at the end that was read from these bytes.
    pub fn push_consumed(&mut self, name: impl Into<ByteString>, datum: Datum, raw: Option<Bytes>) {
        self.0.push(Header { name: name.into(), datum, raw });
    }

    /// The last one of a name, which is the one that counts.
    pub fn last(&self, name: &str) -> Option<&Header> {
        self.0.iter().rev().find(|header| header.name == name)
    }

    /// Removes all of a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|header| header.name != name);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// The meaning of a record's timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// Not known.
    #[default]
    None,
    /// When it happened, set by the producer.
    CreateTime,
    /// When the broker took it.
    LogAppendTime,
}

/// Where a record came from. The runtime tracks it; transforms pass it on unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// No origin (tests, records created by transforms).
    #[default]
    None,
    /// A source task; made by [`Origin::source`].
    #[non_exhaustive]
    Source {
        /// The source partition; without one nothing is stored for the record.
        partition: Option<SourcePartition>,
        /// The position after this record, at which a restarted task continues.
        offset: Option<SourceOffset>,
        /// A number of the task's own, handed back with the acknowledgement.
        tag: u64,
    },
    /// A Kafka topic.
    Kafka {
        /// The topic as consumed, even if transforms have changed it.
        topic: Topic,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
}

impl Origin {
    /// A source task: the source partition, without which nothing is stored for the record, and the position after it.
    pub fn source(partition: Option<SourcePartition>, offset: Option<SourceOffset>) -> Self {
        Self::Source { partition, offset, tag: 0 }
    }

    /// The same origin with a number of the source task's own, handed back with the acknowledgement.
    #[must_use]
    pub fn tagged(mut self, number: u64) -> Self {
        if let Self::Source { tag, .. } = &mut self {
            *tag = number;
        }
        self
    }
}

/// One record on its way through the pipeline.
///
/// ```
/// use tributary_api::{Datum, Record};
/// let record = Record::new("orders", Datum::schemaless("two shoes")).with_key(Datum::schemaless("ann")).at(1_700_000_000_000);
/// assert_eq!(record.key.value.as_str(), Some("ann"));
/// // As a sink finds it in a test.
/// let record = record.consumed_at(3, 42);
/// assert_eq!(record.consumed_from().map(|(_, partition, offset)| (partition, offset)), Some((3, 42)));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The topic it goes to (source, processor) or came from (sink).
    pub topic: Topic,
    /// The partition to write to, if the task chooses; the partitioner does otherwise.
    pub partition: Option<i32>,
    /// The key.
    pub key: Datum,
    /// The value; null is a tombstone.
    pub value: Datum,
    /// The headers.
    pub headers: Headers,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The meaning of the timestamp.
    pub timestamp_type: TimestampType,
    /// Where it came from.
    pub origin: Origin,
}

impl Record {
    /// A record with a value for a topic, everything else absent.
    pub fn new(topic: impl Into<Topic>, value: Datum) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: Datum::NULL,
            value,
            headers: Headers::new(),
            timestamp: None,
            timestamp_type: TimestampType::None,
            origin: Origin::None,
        }
    }

    /// The same record with a key.
    #[must_use]
    pub fn with_key(mut self, key: Datum) -> Self {
        self.key = key;
        self
    }

    /// The same record for a partition of its topic.
    #[must_use]
    pub fn with_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same record from somewhere else.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The same record as if it had been consumed from this place of its topic, for tests of sinks.
    #[must_use]
    pub fn consumed_at(self, partition: i32, offset: i64) -> Self {
        let topic = Topic::clone(&self.topic);
        self.with_partition(partition).with_origin(Origin::Kafka { topic, partition, offset })
    }

    /// The same record from a place in a source.
    #[must_use]
    pub fn from_source(self, partition: &SourcePartition, offset: SourceOffset) -> Self {
        self.with_origin(Origin::source(Some(partition.clone()), Some(offset)))
    }

    /// The same record with a timestamp, in milliseconds since the epoch.
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self.timestamp_type = TimestampType::CreateTime;
        self
    }

    /// Topic, partition and offset it was consumed from, if it came from Kafka.
    pub fn consumed_from(&self) -> Option<(&Topic, i32, i64)> {
        match &self.origin {
            Origin::Kafka { topic, partition, offset } => Some((topic, *partition, *offset)),
            _ => None,
        }
    }
}

/// The result of a transform for one record. A single record needs no allocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Records {
    /// The record is dropped on purpose.
    None,
    /// One record.
    One(Record),
    /// Several, in order.
    Many(Vec<Record>),
}

impl From<Record> for Records {
    fn from(record: Record) -> Self {
        Self::One(record)
    }
}

impl From<Vec<Record>> for Records {
    fn from(records: Vec<Record>) -> Self {
        Self::Many(records)
    }
}

impl IntoIterator for Records {
    type Item = Record;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Record>, std::vec::IntoIter<Record>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One(record) => (Some(record), Vec::new()),
            Self::Many(records) => (None, records),
        };
        one.into_iter().chain(many)
    }
}
