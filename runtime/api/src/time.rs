//! The time, and the calendar of any year: Java's dates reach to the year 292,278,994, which calendars of crates do not.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days in 400 years of the Gregorian calendar.
const ERA: i64 = 146_097;
/// Days from the first of March of the year 0 to 1970-01-01.
const TO_EPOCH: i64 = 719_468;

/// Milliseconds since the epoch, now.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Days from 1970-01-01 to the first of a month, from 1 to 12.
///
/// ```
/// use tributary_api::time::{civil_date, days_to_month};
/// assert_eq!(days_to_month(2000, 2) + 28, 11_016);
/// assert_eq!(civil_date(11_016), (2000, 2, 29));
/// ```
pub fn days_to_month(year: i64, month: i64) -> i64 {
    // Years begin in March here: the day that some have more than others is their last.
    let (year, from_march) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * from_march + 2) / 5;
    era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - TO_EPOCH
}

/// Year, month and day, both from 1, of a day since 1970-01-01.
pub fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(TO_EPOCH);
    let (era, day_of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month < 3);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_there_and_back() {
        for days in (-800_000..800_000).step_by(37).chain([i64::MIN / 86_400_000, i64::MAX / 86_400_000]) {
            let (year, month, day) = civil_date(days);
            assert_eq!(days_to_month(year, month) + day - 1, days);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(18_131), (2019, 8, 23));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
    }
}
