use async_trait::async_trait;

use crate::{Record, Result};

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
    /// The offset behind the last record that can be read.
    fn end(&self) -> i64;

    /// The next records, `max_records` at most, converted and transformed as this connector's records are; none at the
    /// end. One that cannot be converted is left out: the task's own reading has reported it. When the future is dropped
    /// before it is ready the reader is of no use any more.
    ///
    /// # Errors
    /// `Retriable` when the broker does not answer in time.
    async fn read(&mut self, max_records: usize) -> Result<Vec<Record>>;
}
