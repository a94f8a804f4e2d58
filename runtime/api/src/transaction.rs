use std::sync::{Arc, Mutex, PoisonError};

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Its records are there for readers with `isolation.level=read_committed`, and its offsets are stored.
    Commit,
    /// Its records are given up. Their offsets are stored all the same, so that they do not come again.
    Abort,
}

/// An end of a transaction that a source task asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionRequest {
    /// Behind so many records of the batch; none: behind all of it.
    pub after: Option<usize>,
    /// How it ends.
    pub end: TransactionEnd,
}

/// Where a source task's transactions end, for connectors with `transaction.boundary=connector`: the task has it from
/// [`SourceTaskContext::transaction`](crate::SourceTaskContext::transaction). What is asked for during a `poll` concerns the
/// batch that this `poll` returns. What is not committed when the task ends is aborted, and comes again.
///
/// A transaction stays open until its end is asked for, and the broker aborts one that lasts longer than the producer's
/// `transaction.timeout.ms`: the task then goes on from its stored offsets.
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
///     /// Some records, and behind how many of them the database committed.
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
    /// A context of which nothing is asked yet; clones share what is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits the transaction behind the batch. Where the batch is empty, what is open is committed.
    pub fn commit(&self) {
        self.ask(None, TransactionEnd::Commit);
    }

    /// Commits the transaction behind so many records of the batch, from its first on; what follows is another
    /// transaction's. May be called for several places.
    pub fn commit_after(&self, records: usize) {
        self.ask(Some(records), TransactionEnd::Commit);
    }

    /// Gives up all records since the last transaction's end, those of the batch included. Their offsets are stored.
    pub fn abort(&self) {
        self.ask(None, TransactionEnd::Abort);
    }

    /// Gives up all records since the last transaction's end, so many of the batch included. Their offsets are stored.
    pub fn abort_after(&self, records: usize) {
        self.ask(Some(records), TransactionEnd::Abort);
    }

    /// What was asked for since the last call, in order; for the runtime, after each poll.
    pub fn take(&self) -> Vec<TransactionRequest> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask(&self, after: Option<usize>, end: TransactionEnd) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(TransactionRequest { after, end });
    }
}
