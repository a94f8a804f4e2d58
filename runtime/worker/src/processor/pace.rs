//! How patiently a processor tries again, and how much it takes on at once.

use std::time::Duration;

/// Waits between tries: doubling up to a bound, and random within half of it, so that tasks that lost the same broker do
/// not come back in step.
#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Patience {
    pub(super) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// The wait before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        doubled.mul_f64(rand::random_range(0.5..1.0))
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// Whether the try at hand is worth a line in the log: the first ones are, then ever fewer.
    pub(super) fn is_told(&self) -> bool {
        self.tries.is_power_of_two()
    }

    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// How many records, or timers, a batch may have: half after one that was too much, more again while batches are quick.
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

    /// Whether nothing holds batches down.
    pub(super) fn is_whole(&self) -> bool {
        self.now == self.most
    }

    /// A batch of this size was too much.
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
    fn waits_double_up_to_a_bound_and_are_never_in_step() {
        let mut patience = Patience::new(Duration::from_millis(100), Duration::from_secs(5));
        let waits: Vec<Duration> = (0..40).map(|_| patience.next()).collect();
        for (place, wait) in waits.iter().enumerate() {
            let doubled = Duration::from_millis(100 << place.min(20)).min(Duration::from_secs(5));
            assert!(*wait >= doubled / 2 && *wait <= doubled, "{place}: {wait:?}");
        }
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "all the same: {waits:?}");
        patience.reset();
        assert!(patience.next() <= Duration::from_millis(100));
    }

    #[test]
    fn fewer_and_fewer_tries_are_told() {
        let mut patience = Patience::new(Duration::ZERO, Duration::ZERO);
        let told = (0..600).filter(|_| {
            patience.next();
            patience.is_told()
        });
        assert_eq!(told.count(), 10);
    }

    #[test]
    fn a_batch_is_halved_down_to_one_record_and_grows_while_it_is_quick() {
        let mut limit = BatchLimit::new(1_000, Duration::from_secs(8));
        limit.halve(1_000);
        assert_eq!((limit.get(), limit.is_whole()), (500, false));
        limit.halve(3);
        limit.halve(1);
        assert_eq!(limit.get(), 1);
        limit.committed(Duration::from_secs(2));
        assert_eq!(limit.get(), 1, "not quick enough to take on more");
        for _ in 0..20 {
            limit.committed(Duration::from_millis(10));
        }
        assert!(limit.is_whole());
    }
}
