use std::sync::Arc;

use tokio::time::Instant;
use tributary_api::{Datum, Origin, Record, TopicPartition, Value};

/// A queued record. Thousands may be queued, so only what is needed is kept.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<i64>,
    /// The record as written in an event, or the reason why it cannot be written.
    pub(crate) written: Result<Box<[u8]>, String>,
    /// The whole record, where it may have to be reported.
    record: Option<Box<Record>>,
    /// For reports.
    pub(crate) key: Option<Value>,
    /// When it came.
    pub(crate) at: Instant,
}

/// Which parts of a record are kept in addition to its bytes in the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptParts {
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
        kept: KeptParts,
        at: Instant,
    ) -> Self {
        let key = kept.key.then(|| record.key.value.clone());
        let whole = kept.record.then(|| Box::new(record.clone()));
        Self { offset, timestamp: record.timestamp, written, record: whole, key, at }
    }

    /// The length in an event.
    pub(crate) fn len(&self) -> usize {
        self.written.as_ref().map_or(0, |written| written.len())
    }

    /// The record, or only its origin if the record was not kept.
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
