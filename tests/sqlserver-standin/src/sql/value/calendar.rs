//! Days and dates of the proleptic Gregorian calendar.

use crate::data::{Date, DateTime, DateTime2, SmallDateTime, Time};

/// Ticks of 100 ns in a day.
pub(crate) const DAY: i64 = 864_000_000_000;
/// Ticks of 100 ns in a second.
pub(crate) const SECOND: i64 = 10_000_000;
/// The day of 1900-01-01, from which `datetime` counts.
pub(crate) const EPOCH_1900: i32 = 693_595;
/// The day of 1970-01-01.
pub(crate) const EPOCH_1970: i32 = 719_162;
/// The day of 9999-12-31.
pub(crate) const LAST_DAY: i32 = 3_652_058;

/// The day since 0001-01-01 of a date, if there is such a date.
pub(crate) fn day_of(year: i32, month: u32, day: u32) -> Option<Date> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (y, m, d) = (i64::from(y), i64::from(m), i64::from(day));
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1;
    // 0001-01-01 is day 306 of the year that begins in March of year 0.
    i32::try_from(days - 306).ok().map(Date)
}

/// Year, month and day of the month.
pub(crate) fn civil(date: Date) -> (i32, u32, u32) {
    let days = i64::from(date.0) + 306;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(1), u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

pub(crate) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Ticks of 100 ns since 0001-01-01.
pub(crate) fn ticks_of(value: DateTime2) -> i64 {
    i64::from(value.date.0) * DAY + i64::try_from(value.time.0).unwrap_or(0)
}

/// The opposite of [`ticks_of`]; none out of the years 1 to 9999.
pub(crate) fn from_ticks(ticks: i64) -> Option<DateTime2> {
    let day = i32::try_from(ticks.div_euclid(DAY)).ok().filter(|day| (0..=LAST_DAY).contains(day))?;
    let time = u64::try_from(ticks.rem_euclid(DAY)).ok()?;
    Some(DateTime2 { date: Date(day), time: Time(time) })
}

/// A `datetime` in ticks of 100 ns since 0001-01-01: 1/300 s to the nearest tick.
pub(crate) fn datetime_ticks(value: DateTime) -> i64 {
    let of_day = (i64::from(value.ticks) * 100_000 + 1) / 3;
    i64::from(value.days + EPOCH_1900) * DAY + of_day
}

/// A `datetime` as its readers see it: to the millisecond, as .000, .003, .007.
pub(crate) fn datetime_millis(value: DateTime) -> i64 {
    (i64::from(value.ticks) * 10 + 1) / 3
}

/// The nearest `datetime`; none before 1753 and after 9999.
pub(crate) fn to_datetime(ticks: i64) -> Option<DateTime> {
    let (mut day, of_day) = (ticks.div_euclid(DAY), ticks.rem_euclid(DAY));
    let mut thirds = (of_day * 3 + 50_000) / 100_000;
    if thirds >= 25_920_000 {
        thirds = 0;
        day += 1;
    }
    // 1753-01-01 is day 639905.
    let day = i32::try_from(day).ok().filter(|day| (639_905..=LAST_DAY).contains(day))?;
    Some(DateTime { days: day - EPOCH_1900, ticks: u32::try_from(thirds).ok()? })
}

/// The nearest minute; none before 1900 and after June 2079.
pub(crate) fn to_smalldatetime(ticks: i64) -> Option<SmallDateTime> {
    let minutes = (ticks + 30 * SECOND).div_euclid(60 * SECOND);
    let days = u16::try_from(minutes.div_euclid(1440) - i64::from(EPOCH_1900)).ok()?;
    Some(SmallDateTime { days, minutes: u16::try_from(minutes.rem_euclid(1440)).ok()? })
}

pub(crate) fn smalldatetime_ticks(value: SmallDateTime) -> i64 {
    (i64::from(value.days) + i64::from(EPOCH_1900)) * DAY + i64::from(value.minutes) * 60 * SECOND
}

/// Ticks to the nearest unit of a scale, as `datetime2(scale)` and `time(scale)` keep them.
pub(crate) fn round_to_scale(ticks: i64, scale: u8) -> i64 {
    let unit = 10_i64.pow(7 - u32::from(scale.min(7)));
    (ticks + unit / 2).div_euclid(unit) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_opposites() {
        assert_eq!(day_of(1, 1, 1), Some(Date(0)));
        assert_eq!(day_of(1900, 1, 1), Some(Date(EPOCH_1900)));
        assert_eq!(day_of(1970, 1, 1), Some(Date(EPOCH_1970)));
        assert_eq!(day_of(9999, 12, 31), Some(Date(LAST_DAY)));
        assert_eq!(day_of(1753, 1, 1), Some(Date(639_905)));
        assert_eq!(day_of(2023, 2, 29), None);
        for day in (0..=LAST_DAY).step_by(37) {
            let (year, month, of_month) = civil(Date(day));
            assert_eq!(day_of(year, month, of_month), Some(Date(day)));
        }
    }

    #[test]
    fn datetime_keeps_three_hundredths() {
        let at = |millis: i64| to_datetime(i64::from(EPOCH_1900) * DAY + millis * 10_000).unwrap();
        assert_eq!(datetime_millis(at(1)), 0);
        assert_eq!(datetime_millis(at(2)), 3);
        assert_eq!(datetime_millis(at(5)), 7);
        assert_eq!(datetime_millis(at(998)), 997);
        assert_eq!(at(86_399_999).days, 1);
    }
}
