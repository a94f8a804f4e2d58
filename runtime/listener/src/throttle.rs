use std::time::Duration;

use tokio::time::Instant;

/// Limits log lines about something that may happen a thousand times a second.
#[derive(Debug)]
pub(crate) struct Throttle {
    every: Duration,
    last: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, last: None, held_back: 0 }
    }

    /// Whether to log it; if so, how often it was suppressed since the last time.
    pub(crate) fn ask(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.last.is_some_and(|last| now < last + self.every) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn logs_at_intervals_with_the_number_left_out() {
        let mut throttle = Throttle::new(Duration::from_secs(10));
        assert_eq!(throttle.ask(), Some(0));
        for _ in 0..500 {
            assert_eq!(throttle.ask(), None);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(throttle.ask(), Some(500));
    }
}
