use std::time::Duration;

use tokio::time::Instant;

/// The first and the maximum pause before an engine is restarted again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// An engine that has run for this long is considered working.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Limits the restarts of engines: at once for the first time, then after growing pauses, because the cause (a full
/// disk) usually ends the next one too.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    last: Option<Instant>,
    pause: Duration,
}

impl Restarts {
    /// Whether a restart is due; if so, it counts as started.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let since = self.last.map(|last| now.duration_since(last));
        self.pause = match since {
            Some(since) if since < self.pause => return false,
            Some(since) if since < STABLE_AFTER => (2 * self.pause).min(MAX_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_ends_at_once_is_restarted_with_growing_delays() {
        let (mut restarts, begun) = (Restarts::default(), Instant::now());
        let count = |restarts: &mut Restarts, from: u64| {
            (from..from + 25_000).filter(|ms| restarts.begin(begun + Duration::from_millis(*ms))).count()
        };
        assert_eq!(count(&mut restarts, 0), 9);
        assert_eq!(count(&mut restarts, 25_000), 2);
        assert!(restarts.begin(begun + Duration::from_secs(200)));
        assert!(restarts.begin(begun + Duration::from_secs(200) + FIRST_PAUSE), "it had worked meanwhile");
    }
}
