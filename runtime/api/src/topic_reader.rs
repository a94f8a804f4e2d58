use async_trait::async_trait;

use crate::{Props, Record, Result, Topic, TopicRecord};

/// Reads records of a partition again, in order, up to the end that the log had when the reader was made.
///
/// ```
/// use tributary_api::{Record, Result, SinkTaskContext, TopicPartition};
///
/// /// The last hundred records of a partition up to now.
/// async fn last(cx: &SinkTaskContext, partition: &TopicPartition) -> Result<Vec<Record>> {
///     let mut reader = cx.reader(partition, 0, 100).await?;
///     let mut records = Vec::new();
///     loop {
///         let some = reader.read(50).await?;
///         if some.is_empty() {
///             return Ok(records);
///         }
///         records.extend(some);
///     }
/// }
/// ```
#[async_trait]
pub trait TopicReader: Send {
    /// The offset after the last record that can be read.
    fn end(&self) -> i64;

    /// The next records, `max_records` at most, converted and transformed as this connector's records are; none at the
    /// end. One that cannot be converted is left out: the task's own reading has reported it. When the future is dropped
    /// before it is ready the reader is of no use any more.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    async fn read(&mut self, max_records: usize) -> Result<Vec<Record>>;
}

/// What a [`RawTopicReader`] reads, and how it reaches it.
///
/// Settings are those of Kafka's own consumer. When `bootstrap.servers` is among them no others are used; otherwise they are
/// added to the settings that the connector's other clients have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopicReaderOptions {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset to begin with; the first record that is there, where that is later.
    pub from: i64,
    /// Settings of the consumer. `isolation.level` is `read_committed` unless they say otherwise.
    pub consumer: Props,
}

impl TopicReaderOptions {
    /// A partition from its beginning on, reached as the connector's other clients reach theirs.
    pub fn new(topic: impl Into<Topic>, partition: i32) -> Self {
        Self { topic: topic.into(), partition, from: 0, consumer: Props::new() }
    }

    /// The same from an offset on.
    #[must_use]
    pub fn from(mut self, offset: i64) -> Self {
        self.from = offset;
        self
    }

    /// The same with settings of the consumer.
    #[must_use]
    pub fn consumer(mut self, settings: Props) -> Self {
        self.consumer = settings;
        self
    }
}

/// Reads the records of a partition as they were written, in order, up to the end that the log had when the reader was made,
/// or when its end was looked for last.
///
/// ```
/// use tributary_api::{RawTopicReader, Result, TopicRecord};
///
/// /// What has come since the last call.
/// async fn signals(reader: &mut dyn RawTopicReader) -> Result<Vec<(i64, TopicRecord)>> {
///     reader.look_for_end().await?;
///     reader.read(100).await
/// }
/// ```
#[async_trait]
pub trait RawTopicReader: Send {
    /// The offset after the last record that can be read.
    fn end(&self) -> i64;

    /// Moves the end to the current end of the log, and returns it.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    async fn look_for_end(&mut self) -> Result<i64>;

    /// The next records with their offsets, `max_records` at most; none at the end. When the future is dropped before it is
    /// ready the reader is of no use any more.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    async fn read(&mut self, max_records: usize) -> Result<Vec<(i64, TopicRecord)>>;

    /// The offset that the group of the settings, `group.id`, has committed for the partition: that of the next record to
    /// read. `None` if it has committed none, and without a group. The reader joins no group.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    async fn committed(&mut self) -> Result<Option<i64>> {
        Ok(None)
    }

    /// Commits an offset for the group of the settings; without a group nothing is done. Nothing else commits one.
    ///
    /// # Errors
    /// As for [`committed`](Self::committed).
    async fn commit(&mut self, _offset: i64) -> Result<()> {
        Ok(())
    }
}
