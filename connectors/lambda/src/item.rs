use std::sync::Arc;

use tokio::time::Instant;
use tributary_api::{Datum, Origin, Record, TopicPartition, Value};

/// A record on its way to a function. Thousands wait: what is not needed is not kept.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<i64>,
    /// As it is written in an event; or the reason why it cannot be written.
    pub(crate) written: Result<Box<[u8]>, String>,
    /// The whole of it, where it may have to be reported.
    record: Option<Box<Record>>,
    /// For reports.
    pub(crate) key: Option<Value>,
    /// When it came.
    pub(crate) at: Instant,
}

/// What of a record is kept beside the bytes that are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    /// All of it, to be reported.
    pub(crate) record: bool,
    /// Its key.
    pub(crate) key: bool,
}

impl Item {
    pub(crate) fn new(
        record: &Record,
        offset: i64,
        written: Result<Box<[u8]>, String>,
        keeps: Keeps,
        at: Instant,
    ) -> Self {
        let key = keeps.key.then(|| record.key.value.clone());
        let whole = keeps.record.then(|| Box::new(record.clone()));
        Self { offset, timestamp: record.timestamp, written, record: whole, key, at }
    }

    /// Bytes in an event.
    pub(crate) fn len(&self) -> usize {
        self.written.as_ref().map_or(0, |written| written.len())
    }

    /// The record, or where nobody wants to see it only where it came from.
    pub(crate) fn record(&self, partition: &TopicPartition) -> Record {
        if let Some(record) = &self.record {
            return Record::clone(record);
        }
        let (topic, partition) = (Arc::clone(&partition.topic), partition.partition);
        let origin = Origin::Kafka { topic: Arc::clone(&topic), partition, offset: self.offset };
        let mut record = Record::new(topic, Datum::NULL).with_partition(partition).with_origin(origin);
        record.timestamp = self.timestamp;
        record
    }
}
