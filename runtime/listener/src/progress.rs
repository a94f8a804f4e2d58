use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::Version;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::deadlines::Deadlines;

/// The state of a connection: set by its stream and its requests, read by its deadline and when connections have to be
/// closed.
#[derive(Debug)]
pub(crate) struct Progress {
    opened: Instant,
    /// Requests that are being answered.
    in_flight: AtomicUsize,
    served: AtomicBool,
    http2: AtomicBool,
    /// It is no longer HTTP; its new owner has its own deadlines.
    upgraded: AtomicBool,
    /// Since when no request is being answered.
    waiting: AtomicTime,
    /// When the first byte of the next request arrived.
    begun: AtomicTime,
    /// Since when the client has read nothing.
    blocked: AtomicTime,
    cut: Notify,
}

/// The deadline that a connection has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissedDeadline {
    FirstByte,
    Headers,
    Idle,
    Stalled,
}

/// The order in which waiting connections are closed at the limit: first those that never had a request, then those
/// that have waited longest.
pub(crate) type Rank = (bool, Instant);

impl Progress {
    pub(crate) fn new() -> Self {
        let progress = Self {
            opened: Instant::now(),
            in_flight: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            waiting: AtomicTime::default(),
            begun: AtomicTime::default(),
            blocked: AtomicTime::default(),
            cut: Notify::new(),
        };
        progress.waits();
        progress
    }

    /// No request is being answered from now on.
    pub(crate) fn waits(&self) {
        self.begun.clear();
        self.waiting.set(self.opened);
    }

    pub(crate) fn request_begins(&self, version: Version) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.served.store(true, Ordering::Release);
        self.http2.store(version == Version::HTTP_2, Ordering::Release);
    }

    pub(crate) fn request_ends(&self) {
        // Before the count, so that the deadline never applies to the wait before this request.
        self.waits();
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn upgrades(&self) {
        self.upgraded.store(true, Ordering::Release);
    }

    pub(crate) fn bytes_came(&self) {
        if self.in_flight.load(Ordering::Acquire) == 0 && self.begun.get().is_none() {
            self.begun.set(self.opened);
        }
    }

    pub(crate) fn bytes_went(&self) {
        self.blocked.clear();
    }

    pub(crate) fn nothing_goes(&self) {
        if self.blocked.get().is_none() {
            self.blocked.set(self.opened);
        }
    }

    /// Whether no request is being answered.
    pub(crate) fn is_waiting(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0 && !self.upgraded.load(Ordering::Acquire)
    }

    /// Its rank among waiting connections; `None` if it is busy.
    pub(crate) fn rank(&self) -> Option<Rank> {
        let since = self.opened + self.waiting.get().unwrap_or_default();
        self.is_waiting().then(|| (self.served.load(Ordering::Acquire), since))
    }

    /// The current deadline.
    pub(crate) fn deadline(&self, deadlines: &Deadlines) -> Option<(Instant, MissedDeadline)> {
        if self.upgraded.load(Ordering::Acquire) {
            return None;
        }
        let after = |moment: Duration, limit: Duration, missed| Some((self.opened + moment + limit, missed));
        if let Some(blocked) = self.blocked.get() {
            return after(blocked, deadlines.stalled, MissedDeadline::Stalled);
        }
        if !self.is_waiting() {
            return None;
        }
        let waiting = self.waiting.get().unwrap_or_default();
        let served = self.served.load(Ordering::Acquire);
        // HTTP/2 frames between requests need not be the start of one.
        let begun = self.begun.get().filter(|_| !(served && self.http2.load(Ordering::Acquire)));
        match (begun, served) {
            (Some(begun), _) => after(begun, deadlines.headers, MissedDeadline::Headers),
            (None, false) => after(waiting, deadlines.first_byte, MissedDeadline::FirstByte),
            (None, true) => after(waiting, deadlines.idle, MissedDeadline::Idle),
        }
    }

    /// Asks the connection to close.
    pub(crate) fn cut_off(&self) {
        self.cut.notify_one();
    }

    /// Waits until it is asked to.
    pub(crate) async fn is_cut_off(&self) {
        self.cut.notified().await;
    }
}

/// A time as milliseconds since the connection was opened, plus one; 0 means none.
#[derive(Debug, Default)]
struct AtomicTime(AtomicU64);

impl AtomicTime {
    fn set(&self, opened: Instant) {
        let elapsed = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.store(elapsed + 1, Ordering::Release);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn get(&self) -> Option<Duration> {
        self.0.load(Ordering::Acquire).checked_sub(1).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(progress: &Progress) -> Option<MissedDeadline> {
        progress.deadline(&Deadlines::default()).map(|(_, missed)| missed)
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_deadline() {
        let progress = Progress::new();
        assert_eq!(missed(&progress), Some(MissedDeadline::FirstByte));
        progress.bytes_came();
        assert_eq!(missed(&progress), Some(MissedDeadline::Headers));
        progress.request_begins(Version::HTTP_11);
        assert_eq!((missed(&progress), progress.rank()), (None, None));
        progress.nothing_goes();
        assert_eq!(missed(&progress), Some(MissedDeadline::Stalled));
        progress.bytes_went();
        progress.request_ends();
        assert_eq!(missed(&progress), Some(MissedDeadline::Idle));
        progress.bytes_came();
        assert_eq!(missed(&progress), Some(MissedDeadline::Headers));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_of_bytes_moves_no_deadline() {
        let progress = Progress::new();
        progress.bytes_came();
        let first = progress.deadline(&Deadlines::default());
        tokio::time::advance(Duration::from_secs(5)).await;
        progress.bytes_came();
        assert_eq!(progress.deadline(&Deadlines::default()), first);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_of_http2_are_no_requests() {
        let progress = Progress::new();
        progress.bytes_came();
        assert_eq!(missed(&progress), Some(MissedDeadline::Headers));
        progress.request_begins(Version::HTTP_2);
        progress.request_begins(Version::HTTP_2);
        progress.request_ends();
        assert_eq!(missed(&progress), None);
        progress.request_ends();
        let idle = progress.deadline(&Deadlines::default());
        tokio::time::advance(Duration::from_secs(5)).await;
        progress.bytes_came();
        assert_eq!(progress.deadline(&Deadlines::default()), idle);
        assert_eq!(missed(&progress), Some(MissedDeadline::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_without_a_request_are_closed_before_the_longest_idle() {
        let served = Progress::new();
        served.request_begins(Version::HTTP_11);
        served.request_ends();
        tokio::time::advance(Duration::from_secs(5)).await;
        let silent = Progress::new();
        tokio::time::advance(Duration::from_secs(5)).await;
        let newest = Progress::new();
        assert!(silent.rank() < newest.rank() && newest.rank() < served.rank());
        served.upgrades();
        assert_eq!((served.rank(), missed(&served)), (None, None));
    }
}
