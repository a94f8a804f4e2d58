use std::time::Duration;

/// Exponential back-off with jitter: the wait doubles up to a maximum, and up to half of it is random, so that clients that
/// lost the same server do not all retry at the same moment.
///
/// ```
/// use std::time::Duration;
/// use tributary_api::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// assert!(backoff.next_wait() <= Duration::from_millis(100));
/// assert!(backoff.next_wait() <= Duration::from_millis(200));
/// backoff.reset();
/// assert_eq!(backoff.tries(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    tries: u32,
}

impl Backoff {
    /// A back-off with its first and its longest wait.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, tries: 0 }
    }

    /// The same, as after this many tries.
    #[must_use]
    pub const fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// The wait before the next try, which is counted.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.tries.min(20)).min(self.max);
        self.tries = self.tries.saturating_add(1);
        doubled.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Tries since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Whether this try is to be logged: the 1st, 2nd, 4th, 8th and so on.
    pub fn should_log(&self) -> bool {
        self.tries.is_power_of_two()
    }

    /// A try succeeded.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum_with_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next_wait()).collect();
        for (place, wait) in waits.iter().enumerate() {
            let doubled = Duration::from_millis(100 << place.min(20)).min(Duration::from_secs(5));
            assert!(*wait >= doubled / 2 && *wait <= doubled, "{place}: {wait:?}");
        }
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "all the same: {waits:?}");
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }

    #[test]
    fn attempts_are_logged_less_and_less_often() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        let logged = (0..600).filter(|_| {
            backoff.next_wait();
            backoff.should_log()
        });
        assert_eq!(logged.count(), 10);
    }
}
