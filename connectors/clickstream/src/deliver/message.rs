use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use tributary_api::stable_hash::fnv1a_32;
use tributary_api::{Record, Result, TopicPartition, json};

/// The position of a message in Kafka, and its id for browsers: `TOPIC.PARTITION.OFFSET`, where the topic is a hash in
/// eight hexadecimal digits, so that ids of different topics are not confused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) partition_id: PartitionId,
    pub(super) offset: i64,
}

/// A partition of a topic, small enough to be part of every message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PartitionId {
    topic: u32,
    partition: i32,
}

impl PartitionId {
    pub(super) fn new(topic: &str, partition: i32) -> Self {
        // Ids must stay the same in every build.
        Self { topic: fnv1a_32(topic.as_bytes()), partition }
    }

    pub(super) fn of(partition: &TopicPartition) -> Self {
        Self::new(&partition.topic, partition.partition)
    }
}

/// The message for browsers, made from a record.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) cursor: Cursor,
    /// The record's value, on one line.
    pub(super) json: Bytes,
}

impl Message {
    /// The message of a record consumed from Kafka.
    pub(super) fn of(record: &Record) -> Result<Self> {
        let (topic, partition, offset) = record
            .consumed_from()
            .ok_or_else(|| tributary_api::Error::fatal("a sink was given a record that is not from a topic"))?;
        let cursor = Cursor { partition_id: PartitionId::new(topic, partition), offset };
        Ok(Self { cursor, json: json::to_vec(&record.value.value)?.into() })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{}.{}", self.partition_id.topic, self.partition_id.partition, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().unwrap_or_default();
        let topic = u32::from_str_radix(part(), 16)?;
        let (partition, offset) = (part().parse()?, part().parse()?);
        Ok(Self { partition_id: PartitionId { topic, partition }, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_into_its_cursor() {
        let cursor = Cursor { partition_id: PartitionId::new("offers", 3), offset: 42 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(PartitionId::new("", 0), PartitionId { topic: 0x811c_9dc5, partition: 0 });
        for bad in ["", "1.2", "x.1.2", "1.2.3.4", "1..2"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
