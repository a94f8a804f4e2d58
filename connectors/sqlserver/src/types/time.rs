//! Conversion of SQL Server's days and ticks to numbers since 1970 and to text.

use std::fmt::Write;

use jiff::SignedDuration;
use jiff::civil::Date;
use tiberius::time::{Date as ServerDate, DateTime, DateTime2, DateTimeOffset, SmallDateTime, Time};
use tributary_api::Value;

use super::kind::{DateForm, TimeForm};

/// Days from 0001-01-01 and from 1900-01-01 to 1970-01-01.
const DAYS_FROM_YEAR_ONE: i64 = 719_162;
const DAYS_FROM_1900: i64 = 25_567;

const SECONDS_A_DAY: i64 = 86_400;
/// A tick is SQL Server's smallest unit of time: 100 nanoseconds.
const TICKS_A_SECOND: i64 = 10_000_000;
const TICKS_A_DAY: i64 = SECONDS_A_DAY * TICKS_A_SECOND;
const TICKS_A_MILLI: i64 = 10_000;
const TICKS_A_MICRO: i64 = 10;
const NANOS_A_TICK: i64 = 100;

/// Days since 1970.
pub(crate) fn days(date: ServerDate) -> i64 {
    i64::from(date.days()) - DAYS_FROM_YEAR_ONE
}

/// Ticks since midnight.
pub(crate) fn time_ticks(time: Time) -> i64 {
    let increments = i64::try_from(time.increments()).unwrap_or(i64::MAX);
    increments.saturating_mul(10_i64.pow(7_u32.saturating_sub(u32::from(time.scale()))))
}

/// Ticks since 1970.
pub(crate) fn timestamp_ticks(timestamp: DateTime2) -> i64 {
    days(timestamp.date()) * TICKS_A_DAY + time_ticks(timestamp.time())
}

/// A `datetime` counts in 1/300 of a second. The server shows the fractions as .000, .003 and .007.
pub(crate) fn datetime_ticks(datetime: DateTime) -> i64 {
    let millis = (i64::from(datetime.seconds_fragments()) * 10 + 1) / 3;
    (i64::from(datetime.days()) - DAYS_FROM_1900) * TICKS_A_DAY + millis * TICKS_A_MILLI
}

pub(crate) fn small_datetime_ticks(datetime: SmallDateTime) -> i64 {
    let minutes = i64::from(datetime.seconds_fragments());
    (i64::from(datetime.days()) - DAYS_FROM_1900) * TICKS_A_DAY + minutes * 60 * TICKS_A_SECOND
}

/// Nanoseconds since 1970.
pub(crate) fn instant_nanos(time: DateTimeOffset) -> i64 {
    timestamp_ticks(time.datetime2()).saturating_mul(NANOS_A_TICK)
}

pub(super) fn date_value(days: i64, form: DateForm) -> Value {
    let short = i32::try_from(days).unwrap_or(i32::MAX);
    match form {
        DateForm::Days => Value::Int32(short),
        DateForm::Connect => Value::Date(short),
        DateForm::Iso => {
            let mut text = date_text(days);
            text.push('Z');
            text.into()
        }
    }
}

pub(super) fn time_value(ticks: i64, form: TimeForm) -> Value {
    let millis = || i32::try_from(ticks / TICKS_A_MILLI).unwrap_or(i32::MAX);
    match form {
        TimeForm::Millis => Value::Int32(millis()),
        TimeForm::Connect => Value::Time(millis()),
        TimeForm::Micros => Value::Int64(ticks / TICKS_A_MICRO),
        TimeForm::Nanos => Value::Int64(ticks * NANOS_A_TICK),
        TimeForm::Iso => {
            let mut text = time_text(ticks);
            text.push('Z');
            text.into()
        }
    }
}

/// `None` for nanoseconds outside of the years 1677 to 2262, which do not fit into 64 bits.
pub(super) fn timestamp_value(ticks: i64, form: TimeForm) -> Option<Value> {
    Some(match form {
        TimeForm::Millis => Value::Int64(ticks.div_euclid(TICKS_A_MILLI)),
        TimeForm::Connect => Value::Timestamp(ticks.div_euclid(TICKS_A_MILLI)),
        TimeForm::Micros => Value::Int64(ticks.div_euclid(TICKS_A_MICRO)),
        TimeForm::Nanos => Value::Int64(ticks.checked_mul(NANOS_A_TICK)?),
        TimeForm::Iso => {
            let mut text = timestamp_text(ticks);
            text.push('Z');
            text.into()
        }
    })
}

/// A moment with its own time zone offset, with as many digits as its type has.
pub(crate) fn zoned_text(time: DateTimeOffset) -> String {
    let minutes = i64::from(time.offset());
    let mut text = timestamp_text(timestamp_ticks(time.datetime2()) + minutes * 60 * TICKS_A_SECOND);
    if minutes == 0 {
        text.push('Z');
    } else {
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        push(&mut text, format_args!("{sign}{hours:02}:{minutes:02}"));
    }
    text
}

pub(crate) fn timestamp_text(ticks: i64) -> String {
    format!("{}T{}", date_text(ticks.div_euclid(TICKS_A_DAY)), time_text(ticks.rem_euclid(TICKS_A_DAY)))
}

pub(crate) fn time_text(ticks: i64) -> String {
    let (seconds, mut fraction) = (ticks / TICKS_A_SECOND, ticks % TICKS_A_SECOND);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        let mut digits = 7;
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        push(&mut text, format_args!(".{fraction:0digits$}"));
    }
    text
}

/// SQL Server's years, 1 to 9999, are all within the range of the library.
pub(crate) fn date_text(days: i64) -> String {
    Date::constant(1970, 1, 1).saturating_add(SignedDuration::from_hours(days.saturating_mul(24))).to_string()
}

/// Writing into a String cannot fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(days_from_year_one: u32, increments: u64, scale: u8) -> DateTime2 {
        DateTime2::new(ServerDate::new(days_from_year_one), Time::new(increments, scale))
    }

    #[test]
    fn dates_are_days_since_1970() {
        assert_eq!(date_value(days(ServerDate::new(719_162)), DateForm::Days), Value::Int32(0));
        assert_eq!(date_value(17_725, DateForm::Iso), "2018-07-13Z".into());
        assert_eq!(date_value(days(ServerDate::new(0)), DateForm::Iso), "0001-01-01Z".into());
        assert_eq!(date_value(18_321, DateForm::Connect), Value::Date(18_321));
    }

    #[test]
    fn times_have_the_unit_of_their_form() {
        let time = time_ticks(Time::new(374_256_789_012, 7));
        assert_eq!(time_value(time, TimeForm::Iso), "10:23:45.6789012Z".into());
        assert_eq!(time_value(time, TimeForm::Nanos), Value::Int64(37_425_678_901_200));
        assert_eq!(time_value(time, TimeForm::Micros), Value::Int64(37_425_678_901));
        assert_eq!(time_value(time, TimeForm::Connect), Value::Time(37_425_678));
        assert_eq!(time_value(time_ticks(Time::new(45_296, 0)), TimeForm::Millis), Value::Int32(45_296_000));
    }

    #[test]
    fn before_1970_is_negative() {
        let last = timestamp_ticks(timestamp(719_161, 86_399_999, 3));
        assert_eq!(timestamp_value(last, TimeForm::Millis), Some(Value::Int64(-1)));
        assert_eq!(timestamp_value(last, TimeForm::Iso), Some("1969-12-31T23:59:59.999Z".into()));
    }

    #[test]
    fn a_time_outside_of_64_bit_nanoseconds_has_no_value() {
        // 9999-12-31T23:59:59.9999999
        let end = timestamp_ticks(timestamp(3_652_058, 863_999_999_999, 7));
        assert_eq!(timestamp_value(end, TimeForm::Nanos), None);
        assert_eq!(timestamp_value(end, TimeForm::Micros), Some(Value::Int64(253_402_300_799_999_999)));
        assert_eq!(timestamp_value(end, TimeForm::Iso), Some("9999-12-31T23:59:59.9999999Z".into()));
    }

    #[test]
    fn a_datetime_has_the_milliseconds_that_sql_server_shows() {
        let millis = |fragments| datetime_ticks(DateTime::new(25_567, fragments)) / TICKS_A_MILLI;
        assert_eq!([0, 1, 2, 3, 299].map(millis), [0, 3, 7, 10, 997]);
    }

    #[test]
    fn an_offset_is_the_values_own() {
        // 2018-07-13T01:23:45.456Z
        let utc = timestamp(719_162 + 17_725, 5_025_456, 3);
        assert_eq!(zoned_text(DateTimeOffset::new(utc, 660)), "2018-07-13T12:23:45.456+11:00");
        assert_eq!(zoned_text(DateTimeOffset::new(utc, 0)), "2018-07-13T01:23:45.456Z");
        assert_eq!(zoned_text(DateTimeOffset::new(utc, -90)), "2018-07-12T23:53:45.456-01:30");
    }
}
