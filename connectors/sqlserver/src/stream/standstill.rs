//! Notices a log of which nothing is captured any more.

use std::time::{Duration, Instant};

use crate::lsn::Lsn;

/// The capture job adds an entry at least every five minutes, even if nothing was changed.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// For how long the captured part of the log has not grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standstill {
    newest: Option<Lsn>,
    since: Instant,
    warned: bool,
}

impl Standstill {
    pub(super) fn new(now: Instant) -> Self {
        Self { newest: None, since: now, warned: false }
    }

    /// Returns whether a warning is due: once, when `newest` has been the same for longer than the limit.
    pub(super) fn is_new(&mut self, newest: Option<Lsn>, now: Instant) -> bool {
        if newest != self.newest {
            *self = Self { newest, since: now, warned: false };
        }
        let stands = now.duration_since(self.since) > LIMIT;
        stands && !std::mem::replace(&mut self.warned, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_stands_still_is_warned_of_once_until_it_grows_again() {
        let (start, minutes) = (Instant::now(), |minutes: u64| Duration::from_secs(60 * minutes));
        let (one, two) = (Some(Lsn::ZERO), Some(Lsn::ZERO.incremented()));
        let mut standstill = Standstill::new(start);
        let looks = [(one, 0), (one, 14), (one, 16), (one, 17), (two, 40), (two, 50), (two, 56)];
        let warned = looks.map(|(newest, at)| standstill.is_new(newest, start + minutes(at)));
        assert_eq!(warned, [false, false, true, false, false, false, true]);
    }
}
