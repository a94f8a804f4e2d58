use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tributary_api::{
    Error, Origin, RawTopicReader, Record, Result, SourceHost, SourceOffset, SourcePartition, SourceTaskContext,
    TopicReaderOptions, TopicRecord, TopicWriter, TopicWriterOptions, TransactionContext, TransactionRequest,
};

use super::topics::MemoryTopics;

/// An offset store in memory.
#[derive(Debug, Default)]
pub struct FakeSourceHost {
    offsets: Mutex<Vec<(SourcePartition, SourceOffset)>>,
    topics: MemoryTopics,
    transaction: TransactionContext,
}

impl FakeSourceHost {
    /// A host without offsets: the source starts from its beginning.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A context over this host for task 0 of connector `test`; the token stops the task.
    pub fn context(self: &Arc<Self>, stopping: &CancellationToken) -> SourceTaskContext {
        SourceTaskContext::new("test", 0, stopping.clone(), self.clone())
    }

    /// As [`context`](Self::context), for a task that defines its own transaction boundaries.
    pub fn transactional_context(self: &Arc<Self>, stopping: &CancellationToken) -> SourceTaskContext {
        self.context(stopping).with_transaction(self.transaction.clone())
    }

    /// Takes the transaction boundaries that the task has requested for its last batch.
    pub fn take_transaction_requests(&self) -> Vec<TransactionRequest> {
        self.transaction.take()
    }

    /// Puts records into topics that the task may read.
    pub async fn write(&self, records: Vec<TopicRecord>) -> Result<()> {
        self.topics.writer(TopicWriterOptions::default()).write(records).await
    }

    /// Stores the offset of a record, as the runtime does once the record and all before it are acknowledged.
    pub fn acknowledge(&self, record: &Record) {
        if let Origin::Source { partition: Some(partition), offset: Some(offset), .. } = &record.origin {
            self.set_offset(partition, offset.clone());
        }
    }

    /// Stores an offset.
    pub fn set_offset(&self, partition: &SourcePartition, offset: SourceOffset) {
        let mut offsets = self.offsets.lock();
        match offsets.iter_mut().find(|(known, _)| known == partition) {
            Some((_, old)) => *old = offset,
            None => offsets.push((partition.clone(), offset)),
        }
    }

    /// The records that the task has written to topics of its own, in order.
    pub fn written(&self) -> Vec<TopicRecord> {
        self.topics.written()
    }

    /// The offset that a group has committed for a topic.
    pub fn committed(&self, group: &str, topic: &str) -> Option<i64> {
        self.topics.committed(group, topic)
    }

    /// Commits an offset of a group, as another client does.
    pub fn commit(&self, group: &str, topic: &str, offset: i64) {
        self.topics.commit(group, topic, offset);
    }

    /// Makes every write to a topic fail with this error; `None`: succeed again.
    pub fn fail_writes(&self, error: Option<Error>) {
        self.topics.fail(error);
    }

    /// Makes every reader of a topic fail with this error when it is opened; `None`: succeed again.
    pub fn fail_reads(&self, error: Option<Error>) {
        self.topics.fail_readers(error);
    }

    /// How many readers have failed so.
    pub fn failed_reads(&self) -> usize {
        self.topics.refused_readers()
    }

    /// The stored offsets.
    pub fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)> {
        self.offsets.lock().clone()
    }
}

#[async_trait]
impl SourceHost for FakeSourceHost {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let stored = self.offsets.lock();
        let of = |partition: &SourcePartition| {
            stored.iter().find(|(known, _)| known == partition).map(|(_, offset)| offset.clone())
        };
        Ok(partitions.iter().map(of).collect())
    }

    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        Ok(self.topics.writer(options))
    }

    async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        self.topics.reader(&options)
    }
}
