use std::sync::Arc;

use parking_lot::Mutex;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Readers with `isolation.level=read_committed` see its records, and its offsets are stored.
    Commit,
    /// Its records are discarded. Their offsets are stored all the same, so that they are not read again.
    Abort,
}

/// An end of a transaction that a source task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionRequest {
    /// The transaction ends after this many records of the batch; none: after all of them.
    pub after: Option<usize>,
    /// How it ends.
    pub end: TransactionEnd,
}

/// Where a source task's transactions end, for connectors with `transaction.boundary=connector`: the task has it from
/// [`SourceTaskContext::transaction`](crate::SourceTaskContext::transaction). What is asked for during a `poll` concerns the
/// batch that this `poll` returns. What is not committed when the task ends is aborted, and read again.
///
/// A transaction stays open until its end is asked for, and the broker aborts one that lasts longer than the producer's
/// `transaction.timeout.ms`: the task then continues from its stored offsets.
///
/// ```
/// use tributary_api::{Record, Result, SourceTask, SourceTaskContext, async_trait};
///
/// /// Reads the transactions of a database.
/// struct Changes {
///     cx: SourceTaskContext,
/// }
///
/// impl Changes {
///     /// Some records, and after how many of them the database committed.
///     async fn read(&mut self) -> Result<(Vec<Record>, Option<usize>)> {
///         Ok((Vec::new(), None))
///     }
/// }
///
/// #[async_trait]
/// impl SourceTask for Changes {
///     async fn poll(&mut self) -> Result<Vec<Record>> {
///         let (records, committed) = self.read().await?;
///         // None unless the connector is exactly-once and defines the boundaries.
///         if let (Some(transaction), Some(records)) = (self.cx.transaction(), committed) {
///             transaction.commit_after(records);
///         }
///         Ok(records)
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TransactionContext {
    /// Bounded by what a task asks for within one poll.
    requests: Arc<Mutex<Vec<TransactionRequest>>>,
}

impl TransactionContext {
    /// A context without requests; clones share them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits the transaction after the batch. After an empty batch the open transaction is committed.
    pub fn commit(&self) {
        self.ask(None, TransactionEnd::Commit);
    }

    /// Commits the transaction after this many records of the batch; the next records belong to the next transaction. May
    /// be called several times for one batch.
    pub fn commit_after(&self, records: usize) {
        self.ask(Some(records), TransactionEnd::Commit);
    }

    /// Discards all records since the end of the last transaction, including this batch. Their offsets are stored.
    pub fn abort(&self) {
        self.ask(None, TransactionEnd::Abort);
    }

    /// Discards all records since the end of the last transaction, including this many of the batch. Their offsets are stored.
    pub fn abort_after(&self, records: usize) {
        self.ask(Some(records), TransactionEnd::Abort);
    }

    /// What was asked for since the last call, in order; for the runtime, after each poll.
    pub fn take(&self) -> Vec<TransactionRequest> {
        std::mem::take(&mut *self.requests.lock())
    }

    fn ask(&self, after: Option<usize>, end: TransactionEnd) {
        self.requests.lock().push(TransactionRequest { after, end });
    }
}
