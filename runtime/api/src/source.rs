use std::sync::Arc;

use async_trait::async_trait;

use crate::{Error, Origin, Props, Record, Result, SourceTaskContext};

/// Reads a source.
///
/// One owner calls the methods, one at a time: a task needs no locks. A method may block: it occupies a thread
/// meanwhile, and other tasks continue. Waiting in the future (`await`) occupies no thread. The order is `start`, then
/// `poll` and `commit` in turn, then `stop`. Records of one source partition reach Kafka in the order they were
/// returned.
///
/// ```
/// use std::time::Duration;
/// use tributary_api::{
///     Config, Datum, OffsetMap, Record, Result, SourcePartition, SourceTask, SourceTaskContext, async_trait,
/// };
///
/// /// Counts, and continues after a restart.
/// struct Counter {
///     cx: SourceTaskContext,
///     partition: SourcePartition,
///     next: i64,
/// }
///
/// impl Counter {
///     /// What `Plugin::source` is given.
///     async fn start(cx: SourceTaskContext, config: Config) -> Result<Self> {
///         let partition = OffsetMap::new([("counter", config.string("counter")?.into())]);
///         let next = cx.offset(&partition).await?.and_then(|offset| offset.int("next")).unwrap_or(0);
///         Ok(Self { cx, partition, next })
///     }
/// }
///
/// #[async_trait]
/// impl SourceTask for Counter {
///     async fn poll(&mut self) -> Result<Vec<Record>> {
///         tokio::select! {
///             () = self.cx.stopping().cancelled() => return Ok(Vec::new()),
///             () = tokio::time::sleep(Duration::from_secs(1)) => {}
///         }
///         self.next += 1;
///         let offset = OffsetMap::new([("next", self.next.into())]);
///         Ok(vec![Record::new("numbers", Datum::schemaless(self.next)).from_source(&self.partition, offset)])
///     }
/// }
/// ```
#[async_trait]
pub trait SourceTask: Send {
    /// Starts. A task of [`Plugin::source`](crate::Plugin::source) is created when it starts, and has nothing to do
    /// here.
    ///
    /// # Errors
    /// Any error fails the task.
    async fn start(&mut self, _cx: SourceTaskContext, _props: &Props) -> Result<()> {
        Ok(())
    }

    /// The next records, or none yet. Wait inside when there is nothing, and return soon once
    /// [`SourceTaskContext::stopping`] is cancelled: the future is never dropped half-way, and a task that does not
    /// return within `task.shutdown.graceful.timeout.ms` is abandoned.
    ///
    /// # Errors
    /// `Retriable`: called again. Anything else fails the task.
    async fn poll(&mut self) -> Result<Vec<Record>>;

    /// Gets the result of each record as soon as it is known; `None` (the default) has no cost. Called once, after
    /// `start`.
    ///
    /// With a listener a record that cannot be stored for what it holds (an error of kind `Data`: refused by a
    /// transform, a converter, the producer or the broker) is reported to the listener alone; it does not fail the
    /// task, whatever `errors.tolerance` is.
    fn ack_listener(&self) -> Option<Arc<dyn AckListener>> {
        None
    }

    /// All offsets returned so far up to a point are durable; called between polls.
    ///
    /// # Errors
    /// Logged; the offsets stay stored.
    async fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends. The last acknowledgements come after it.
    ///
    /// # Errors
    /// Logged.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

impl RecordMetadata {
    /// A record at an offset of a partition.
    pub fn new(partition: i32, offset: i64) -> Self {
        Self { partition, offset }
    }
}

/// What became of one record.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ack<'a> {
    /// The origin that the task gave it.
    pub origin: &'a Origin,
    /// Where it was written; `Ok(None)` when a transform dropped it on purpose; the error when it was not written, also
    /// when that is tolerated. If transforms made several records of one, all must be written, or it counts as not
    /// written.
    pub result: std::result::Result<Option<RecordMetadata>, &'a Error>,
}

impl<'a> Ack<'a> {
    /// The result of the record with this origin.
    pub fn new(origin: &'a Origin, result: std::result::Result<Option<RecordMetadata>, &'a Error>) -> Self {
        Self { origin, result }
    }
}

/// Receives acknowledgements, in batches, on the producer's delivery thread: it must not block.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use tributary_api::{Ack, AckListener};
///
/// #[derive(Default)]
/// struct Lost(AtomicUsize);
///
/// impl AckListener for Lost {
///     fn acknowledged(&self, acks: &[Ack<'_>]) {
///         self.0.fetch_add(acks.iter().filter(|ack| ack.result.is_err()).count(), Ordering::Relaxed);
///     }
/// }
/// ```
pub trait AckListener: Send + Sync {
    /// These records are acknowledged, dropped or failed.
    fn acknowledged(&self, acks: &[Ack<'_>]);
}
