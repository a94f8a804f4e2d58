//! Limits the size of a processor's batches.

use std::time::Duration;

/// The maximum number of records or timers in a batch: halved after a batch that was too large or too slow, doubled
/// while batches are quick.
#[derive(Debug)]
pub(super) struct BatchLimit {
    now: usize,
    most: usize,
    transaction: Duration,
}

impl BatchLimit {
    pub(super) fn new(most: usize, transaction: Duration) -> Self {
        Self { now: most, most, transaction }
    }

    pub(super) fn get(&self) -> usize {
        self.now
    }

    /// Whether the limit is the configured maximum.
    pub(super) fn is_at_max(&self) -> bool {
        self.now == self.most
    }

    /// A batch of this size was too large.
    pub(super) fn halve(&mut self, batch: usize) {
        self.now = (batch / 2).clamp(1, self.now);
    }

    /// A batch was committed in this time.
    pub(super) fn committed(&mut self, took: Duration) {
        if took < self.transaction / 8 {
            self.now = self.now.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_halved_down_to_one_record_and_grows_while_it_is_quick() {
        let mut limit = BatchLimit::new(1_000, Duration::from_secs(8));
        limit.halve(1_000);
        assert_eq!((limit.get(), limit.is_at_max()), (500, false));
        limit.halve(3);
        limit.halve(1);
        assert_eq!(limit.get(), 1);
        limit.committed(Duration::from_secs(2));
        assert_eq!(limit.get(), 1, "not quick enough to take on more");
        for _ in 0..20 {
            limit.committed(Duration::from_millis(10));
        }
        assert!(limit.is_at_max());
    }
}
