use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tributary_api::{Error, Result};

/// Rotation by the wall clock: at multiples of the interval since midnight of the time zone, and at midnight.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    interval: SignedDuration,
    zone: TimeZone,
}

impl Schedule {
    /// A schedule, if the interval is one.
    pub(crate) fn new(interval_ms: i64, zone: &str) -> Result<Option<Self>> {
        if interval_ms <= 0 {
            return Ok(None);
        }
        let zone = match zone {
            "" => {
                let message = "timezone is missing: rotate.schedule.interval.ms needs one, such as UTC";
                return Err(Error::config_at("timezone", message));
            }
            zone => TimeZone::get(zone).map_err(|error| {
                Error::config_at(
                    "timezone",
                    format!("timezone {zone} is not known: write one such as UTC or Europe/London"),
                )
                .cause(&error)
            })?,
        };
        Ok(Some(Self { interval: SignedDuration::from_millis(interval_ms), zone }))
    }

    /// The next time to rotate after a time, both in milliseconds since the epoch.
    pub(crate) fn next(&self, now_ms: i64) -> Result<i64> {
        let problem = |error: jiff::Error| Error::fatal("cannot compute the next rotation").cause(&error);
        let now = Timestamp::from_millisecond(now_ms).map_err(problem)?.to_zoned(self.zone.clone());
        let midnight = now.start_of_day().map_err(problem)?;
        let next_midnight = midnight.tomorrow().map_err(problem)?.timestamp().as_millisecond();
        let since = now_ms - midnight.timestamp().as_millisecond();
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        let next =
            midnight.timestamp().as_millisecond().saturating_add((since / interval + 1).saturating_mul(interval));
        Ok(next.min(next_midnight))
    }
}

/// How long until a time, both in milliseconds since the epoch.
pub(crate) fn until(at_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(interval_ms: i64, zone: &str, now: &str, expected: &str) {
        let schedule = Schedule::new(interval_ms, zone).unwrap().unwrap();
        let now: Timestamp = now.parse().unwrap();
        let next = Timestamp::from_millisecond(schedule.next(now.as_millisecond()).unwrap()).unwrap();
        assert_eq!(next, expected.parse().unwrap());
    }

    #[test]
    fn rotation_falls_on_multiples_since_midnight_of_the_zone_and_on_midnight() {
        check(600_000, "UTC", "2026-03-01T10:07:00Z", "2026-03-01T10:10:00Z");
        check(600_000, "UTC", "2026-03-01T10:10:00Z", "2026-03-01T10:20:00Z");
        check(18_000_000, "UTC", "2026-03-01T21:00:00Z", "2026-03-02T00:00:00Z");
        check(86_400_000, "Europe/London", "2026-07-01T12:00:00Z", "2026-07-01T23:00:00Z");
    }

    #[test]
    fn a_schedule_needs_a_time_zone_that_there_is() {
        assert!(Schedule::new(-1, "").unwrap().is_none());
        assert!(Schedule::new(1000, "").unwrap_err().to_string().contains("timezone is missing"));
        assert!(Schedule::new(1000, "Mars/Base").unwrap_err().to_string().contains("not known"));
    }
}
