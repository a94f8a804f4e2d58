use tributary_api::Result;
use tributary_kafka::{ProducerRecord, Token};

use crate::clients::TaskProducer;

/// What a source task uses of a producer.
pub(crate) trait RecordProducer: Send + Sync {
    /// As [`tributary_kafka::Producer::send`].
    ///
    /// # Errors
    /// `Retriable` when the queue is full; others when this record is refused.
    fn send(&self, record: &ProducerRecord<'_>, token: Token) -> Result<()>;

    /// Whether the producer has failed for good: nothing sent here will be written.
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

/// How much may be in flight at a time: this bounds the memory of a source task (I9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Capacity {
    /// Less than the producer's `buffer.memory`, so that the task itself waits for capacity, where it can be stopped,
    /// and not inside the client.
    pub(crate) fn of(buffer_memory: usize) -> Self {
        Self { records: 50_000, bytes: buffer_memory / 4 * 3 }
    }
}
