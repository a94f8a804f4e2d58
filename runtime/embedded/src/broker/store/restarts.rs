use std::time::Duration;

use tokio::time::Instant;

/// The pause after which an engine that ended again is started anew, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An engine that has run for so long counts as one that works.
const CALM: Duration = Duration::from_secs(60);

/// When an engine that ended may be started again: at once for the first time, then after pauses that grow. What ends it
/// (a full disk) mostly ends the next one as well.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    last: Option<Instant>,
    pause: Duration,
}

impl Restarts {
    /// Whether it is time; if so, the restart counts as begun.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let since = self.last.map(|last| now.duration_since(last));
        self.pause = match since {
            Some(since) if since < self.pause => return false,
            Some(since) if since < CALM => (2 * self.pause).min(LONGEST_PAUSE),
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
    fn an_engine_that_ends_at_once_is_started_ever_more_seldom() {
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
