//! Notices a log of which nothing is captured any more.

use std::time::{Duration, Instant};

use crate::lsn::Lsn;

/// The capture job adds an entry at least every five minutes, even if nothing was changed.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// For how long the captured part of the log has not grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct CaptureLagDetector {
    newest: Option<Lsn>,
    since: Instant,
    warned: bool,
}

impl CaptureLagDetector {
    pub(super) fn new(now: Instant) -> Self {
        Self { newest: None, since: now, warned: false }
    }

    /// Returns whether a warning is due: once, when `newest` has been the same for longer than the limit.
    pub(super) fn is_warning_due(&mut self, newest: Option<Lsn>, now: Instant) -> bool {
        if newest != self.newest {
            *self = Self { newest, since: now, warned: false };
        }
        let lags = now.duration_since(self.since) > LIMIT;
        lags && !std::mem::replace(&mut self.warned, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_does_not_grow_is_warned_of_once_until_it_grows_again() {
        let (start, minutes) = (Instant::now(), |minutes: u64| Duration::from_secs(60 * minutes));
        let (one, two) = (Some(Lsn::ZERO), Some(Lsn::ZERO.incremented()));
        let mut capture_lag = CaptureLagDetector::new(start);
        let polls = [(one, 0), (one, 14), (one, 16), (one, 17), (two, 40), (two, 50), (two, 56)];
        let warned = polls.map(|(newest, at)| capture_lag.is_warning_due(newest, start + minutes(at)));
        assert_eq!(warned, [false, false, true, false, false, false, true]);
    }
}
