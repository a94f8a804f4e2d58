use tokio::sync::mpsc;
use tributary_api::{Error, Record};

use super::{Batch, Flow};

/// Collects records and hands them to the task in batches. Waits while the task has enough batches queued.
#[derive(Debug)]
pub(crate) struct RecordBatcher {
    batches: mpsc::Sender<Batch>,
    pending: Vec<Record>,
    size: usize,
}

impl RecordBatcher {
    pub(super) fn new(batches: mpsc::Sender<Batch>, size: usize) -> Self {
        Self { batches, pending: Vec::new(), size }
    }

    /// Where records are put before [`offer`](Self::offer) is called.
    pub(crate) fn pending(&mut self) -> &mut Vec<Record> {
        &mut self.pending
    }

    /// Hands the records over if they fill a batch.
    pub(crate) async fn offer(&mut self) -> Flow {
        if self.pending.len() < self.size { Flow::Continue } else { self.flush().await }
    }

    /// Hands over all records.
    pub(crate) async fn flush(&mut self) -> Flow {
        if self.pending.is_empty() {
            return Flow::Continue;
        }
        // The next batch is mostly as large: to grow to its size, it would be copied several times.
        let next = if self.pending.len() < self.size { Vec::new() } else { Vec::with_capacity(self.pending.len()) };
        let batch = std::mem::replace(&mut self.pending, next);
        self.send(Ok(batch)).await
    }

    pub(super) async fn fail(&mut self, error: Error) {
        self.send(Err(error)).await;
    }

    /// Returns `Stop` if the task has ended and no longer receives.
    async fn send(&self, batch: Batch) -> Flow {
        match self.batches.send(batch).await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    }
}
