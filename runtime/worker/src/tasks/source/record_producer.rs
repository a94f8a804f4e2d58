use tributary_api::Result;
use tributary_kafka::{ProducerRecord, Token};

use crate::clients::TaskProducer;

/// Where a source task's records go.
pub(crate) trait RecordProducer: Send + Sync {
    /// As [`tributary_kafka::Producer::send`].
    ///
    /// # Errors
    /// `Retriable` when there is no room for now; others refuse this record.
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()>;

    /// Whether nothing that is sent here will be written any more.
    fn is_lost(&self) -> bool;
}

impl RecordProducer for TaskProducer {
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()> {
        TaskProducer::send(self, record, token)
    }

    fn is_lost(&self) -> bool {
        TaskProducer::is_lost(self)
    }
}

/// How much may be on its way at a time: what bounds the memory of a source task (I9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Capacity {
    /// From the producer's `buffer.memory`, below which the task stays, so that it waits for room itself, where it
    /// can be stopped, and not inside the client.
    pub(crate) fn of(buffer_memory: usize) -> Self {
        Self { records: 100_000, bytes: buffer_memory / 4 * 3 }
    }
}
