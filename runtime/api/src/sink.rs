use async_trait::async_trait;

use crate::{Offsets, Props, Record, Result, SinkTaskContext, TopicPartition};

/// Writes records to an outside system.
///
/// One owner calls the methods, one at a time. The order is `start`, `open`, then `put` and `pre_commit` in turn,
/// `close`, `stop`; `open` and `close` are called again when partitions move.
///
/// ```
/// use tributary_api::{Config, Error, Record, Result, SinkTask, SinkTaskContext, async_trait};
///
/// /// Prints texts.
/// struct Print {
///     cx: SinkTaskContext,
///     prefix: String,
/// }
///
/// impl Print {
///     /// What `Plugin::sink` is given.
///     async fn start(cx: SinkTaskContext, config: Config) -> Result<Self> {
///         Ok(Self { cx, prefix: config.string("prefix")?.to_owned() })
///     }
/// }
///
/// #[async_trait]
/// impl SinkTask for Print {
///     async fn put(&mut self, records: &[Record]) -> Result<()> {
///         for record in records {
///             match record.value.value.as_str() {
///                 Some(text) => println!("{}{text}", self.prefix),
///                 None => self.cx.report(record, &Error::data("the value is no text"))?,
///             }
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait SinkTask: Send {
    /// Starts. A task of [`Plugin::sink`](crate::Plugin::sink) is created when it starts, and has nothing to do here.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn start(&mut self, _cx: SinkTaskContext, _props: &Props) -> Result<()> {
        Ok(())
    }

    /// These partitions are this task's from now on.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// Takes a batch, in order for each partition. It may buffer: [`pre_commit`](Self::pre_commit) reports what is
    /// safe. The batch may be empty, so that timers can be checked.
    ///
    /// # Errors
    /// `Retriable`: all partitions are paused and the same batch is put again, after
    /// [`Error::retry_after`](crate::Error::retry_after) if given. Anything else fails the task. Report an error of one
    /// record with [`SinkTaskContext::report`] instead.
    async fn put(&mut self, records: &[Record]) -> Result<()>;

    /// Which of these next-offsets may be committed: everything below them must be safe outside. The default assumes
    /// that `put` does not buffer.
    ///
    /// # Errors
    /// The partitions are read again from their last commit.
    async fn pre_commit(&mut self, offsets: &Offsets) -> Result<Offsets> {
        Ok(offsets.clone())
    }

    /// These partitions are no longer this task's; uncommitted records are read again by their next owner.
    ///
    /// # Errors
    /// Logged.
    async fn close(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// Ends.
    ///
    /// # Errors
    /// Logged.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}
