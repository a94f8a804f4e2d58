use tokio::sync::mpsc;
use tributary_api::{Error, Record};

use super::{Batch, Flow};

/// Records on their way to the task, in batches. It waits while the task has enough.
#[derive(Debug)]
pub(crate) struct Outbox {
    batches: mpsc::Sender<Batch>,
    pending: Vec<Record>,
    size: usize,
}

impl Outbox {
    pub(super) fn new(batches: mpsc::Sender<Batch>, size: usize) -> Self {
        Self { batches, pending: Vec::new(), size }
    }

    /// Where records are put before [`offer`](Self::offer).
    pub(crate) fn pending(&mut self) -> &mut Vec<Record> {
        &mut self.pending
    }

    /// Hands over what is there if it is a batch.
    pub(crate) async fn offer(&mut self) -> Flow {
        if self.pending.len() < self.size { Flow::Continue } else { self.flush().await }
    }

    /// Hands over what is there.
    pub(crate) async fn flush(&mut self) -> Flow {
        if self.pending.is_empty() {
            return Flow::Continue;
        }
        let batch = std::mem::take(&mut self.pending);
        self.send(Ok(batch)).await
    }

    pub(super) async fn fail(&mut self, error: Error) {
        self.send(Err(error)).await;
    }

    /// Nobody takes it any more when the task has ended.
    async fn send(&self, batch: Batch) -> Flow {
        match self.batches.send(batch).await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    }
}
