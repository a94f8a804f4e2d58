//! The server's clock and time zone: the machine's and UTC, or whatever a test sets.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI16, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::data::{Date, DateTime, DateTime2, DateTimeOffset, Time};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;
/// From 0001-01-01 to 1970-01-01.
const DAYS_BEFORE_UNIX: i64 = 719_162;
/// From 0001-01-01 to 1900-01-01, where `datetime` begins to count.
const DAYS_BEFORE_1900: i32 = 693_595;

/// What time it is for the server. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<State>);

#[derive(Debug)]
struct State {
    /// The time of a clock that a test moves, in nanoseconds since 1970 UTC; `None`: the machine's clock.
    stopped: Mutex<Option<i64>>,
    /// Minutes east of UTC.
    offset: AtomicI16,
}

impl Clock {
    /// The machine's clock, in UTC.
    pub fn system() -> Clock {
        Clock(Arc::new(State { stopped: Mutex::new(None), offset: AtomicI16::new(0) }))
    }

    /// A clock that is stopped at this moment, in nanoseconds since 1970 UTC, until it is moved.
    pub fn stopped(unix_nanos: i64) -> Clock {
        let clock = Clock::system();
        clock.set(unix_nanos);
        clock
    }

    /// Stops the clock at this moment, in nanoseconds since 1970 UTC.
    pub fn set(&self, unix_nanos: i64) {
        *self.hand() = Some(unix_nanos);
    }

    /// Moves the clock on; one that runs is stopped at the moment it then shows.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        let mut stopped = self.hand();
        *stopped = Some(stopped.unwrap_or_else(machine_time).saturating_add(by));
    }

    /// Lets the clock run with the machine's again.
    pub fn run(&self) {
        *self.hand() = None;
    }

    /// Sets the server's time zone, in minutes east of UTC; at most 14 hours either way.
    pub fn set_offset_minutes(&self, minutes: i16) {
        self.0.offset.store(minutes.clamp(-840, 840), Ordering::SeqCst);
    }

    /// Nanoseconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        self.hand().unwrap_or_else(machine_time)
    }

    /// The time zone, in minutes east of UTC.
    pub fn offset_minutes(&self) -> i16 {
        self.0.offset.load(Ordering::SeqCst)
    }

    /// `SYSUTCDATETIME()`
    pub fn utc(&self) -> DateTime2 {
        datetime2(self.now())
    }

    /// `SYSDATETIME()`
    pub fn local(&self) -> DateTime2 {
        datetime2(self.now() + self.offset_nanos())
    }

    /// `SYSDATETIMEOFFSET()`
    pub fn with_offset(&self) -> DateTimeOffset {
        DateTimeOffset { utc: self.utc(), offset: self.offset_minutes() }
    }

    /// `GETDATE()`: local, to the nearest three-hundredth of a second.
    pub fn local_datetime(&self) -> DateTime {
        datetime(self.local())
    }

    fn offset_nanos(&self) -> i64 {
        i64::from(self.offset_minutes()) * 60 * NANOS_PER_SECOND
    }

    fn hand(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

fn machine_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn datetime2(nanos: i64) -> DateTime2 {
    let days = nanos.div_euclid(NANOS_PER_DAY) + DAYS_BEFORE_UNIX;
    let ticks = nanos.rem_euclid(NANOS_PER_DAY) / 100;
    DateTime2 { date: Date(i32::try_from(days).unwrap_or_default()), time: Time(ticks.unsigned_abs()) }
}

/// Rounds to the three-hundredths of a second that `datetime` counts.
fn datetime(at: DateTime2) -> DateTime {
    const PER_DAY: u64 = 86_400 * 300;
    let ticks = (at.time.0 * 300 + 5_000_000) / 10_000_000;
    let carry = i32::from(ticks == PER_DAY);
    DateTime { days: at.date.0 - DAYS_BEFORE_1900 + carry, ticks: u32::try_from(ticks % PER_DAY).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2018-07-13 12:23:45.456 UTC
    const SOME_DAY: i64 = 1_531_484_625_456_000_000;

    #[test]
    fn local_time_is_that_of_the_zone() {
        let clock = Clock::stopped(SOME_DAY);
        clock.set_offset_minutes(14 * 60);
        // 02:23:45.456 of the next day.
        assert_eq!(clock.local(), DateTime2 { date: Date(736_888), time: Time(86_254_560_000) });
        assert_eq!(clock.with_offset(), DateTimeOffset { utc: clock.utc(), offset: 840 });
    }

    #[test]
    fn datetime_counts_days_from_1900_and_three_hundredths() {
        let clock = Clock::stopped(SOME_DAY);
        // .456 s is 136.8 of 300: 137, which clients show as .457.
        assert_eq!(clock.local_datetime(), DateTime { days: 43_292, ticks: 44_625 * 300 + 137 });
    }

    #[test]
    fn the_last_instant_of_a_day_rounds_to_the_next() {
        let clock = Clock::stopped(NANOS_PER_DAY - 1);
        assert_eq!(clock.local_datetime(), DateTime { days: 25_568, ticks: 0 });
    }

    #[test]
    fn a_stopped_clock_moves_only_when_moved() {
        let clock = Clock::stopped(7);
        let same = clock.clone();
        same.advance(Duration::from_nanos(3));
        assert_eq!((clock.now(), same.now()), (10, 10));
    }
}
