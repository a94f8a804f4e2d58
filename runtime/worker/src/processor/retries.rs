use std::collections::HashMap;
use std::time::Duration;

use tributary_api::{Backoff, Error};

use super::MAX_RETRY;
use super::batch_limit::BatchLimit;
use super::delivery_reports::Refusal;
use super::fill::{BatchProgress, OutputOrigin};
use super::process_loop::POLL_TIMEOUT;

/// After this many aborts in a row the producer and the group membership are replaced, in case the cause is in them.
pub(super) const ABORTS: u32 = 8;

/// What an aborted batch changes for its next try: its size, the records that fail without another try, and the wait.
pub(super) struct BatchRetries {
    pub(super) limit: BatchLimit,
    /// Records and timers whose outputs or state the broker refused; kept until they are committed as failed.
    refused: HashMap<OutputOrigin, Error>,
    pub(super) backoff: Backoff,
    transaction_timeout: Duration,
}

impl BatchRetries {
    pub(super) fn new(max_batch: usize, transaction_timeout: Duration) -> Self {
        Self {
            limit: BatchLimit::new(max_batch, transaction_timeout),
            refused: HashMap::new(),
            backoff: Backoff::new(POLL_TIMEOUT, MAX_RETRY),
            transaction_timeout,
        }
    }

    /// The broker's error if it has refused what comes of this record or timer.
    pub(super) fn refusal(&self, origin: &OutputOrigin) -> Option<Error> {
        if self.refused.is_empty() { None } else { self.refused.get(origin).cloned() }
    }

    /// The batch was committed in this time.
    pub(super) fn committed(&mut self, progress: &BatchProgress, took: Duration) {
        self.backoff.reset();
        self.limit.committed(took);
        if !self.refused.is_empty() {
            self.refused.retain(|origin, _| !progress.origins.contains(origin));
        }
    }

    /// The batch failed after this time: the next try fails the record that the broker refused, or is smaller. Returns
    /// whether the broker refused records.
    pub(super) fn failed(&mut self, progress: &BatchProgress, took: Duration, refusal: Option<Refusal>) -> bool {
        if let Some(refusal) = refusal {
            match progress.failing_origin(&refusal) {
                Some(origin) => {
                    let error = refusal.error.context("a broker does not take what comes of the record");
                    self.refused.insert(origin.clone(), error);
                }
                None => self.limit.halve(progress.origins.len()),
            }
            return true;
        }
        if took > self.transaction_timeout / 2 {
            self.limit.halve(progress.origins.len());
        }
        false
    }
}
