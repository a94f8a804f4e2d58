use async_trait::async_trait;

use crate::{Offsets, Props, Record, Result, SinkTaskContext, TopicPartition};

/// Writes records to an outside system.
///
/// One owner calls the methods, one at a time. The order is `start`, `open`, then `put` and `pre_commit` in turn,
/// `close`, `stop`; `open` and `close` come again when partitions move.
#[async_trait]
pub trait SinkTask: Send {
    /// Starts.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn start(&mut self, cx: SinkTaskContext, props: &Props) -> Result<()>;

    /// These partitions are this task's from now on.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// Takes a batch, in order for each partition. It may buffer: what is safe is told by
    /// [`pre_commit`](Self::pre_commit). The batch may be empty, so that timers can be looked at.
    ///
    /// # Errors
    /// `Retriable`: all partitions are paused and the very same batch comes again, after
    /// [`Error::retry_after`](crate::Error::retry_after) if given. Anything else fails the task. An error with one
    /// record goes to [`SinkTaskContext::report`] instead.
    async fn put(&mut self, records: &[Record]) -> Result<()>;

    /// Which of these next-offsets may be committed: everything below them must be safe outside. The default says
    /// that `put` leaves nothing behind.
    ///
    /// # Errors
    /// The partitions are read again from their last commit.
    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        Ok(offsets.clone())
    }

    /// These partitions are no longer this task's; what is not committed comes again elsewhere.
    ///
    /// # Errors
    /// Logged.
    async fn close(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// Ends; also called after a failed start.
    ///
    /// # Errors
    /// Logged.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}
