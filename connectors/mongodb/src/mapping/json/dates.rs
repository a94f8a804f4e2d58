use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tributary_api::{Error, Result};

/// A date such as `1970-01-01`, or date and time with a zone such as `1970-01-01T00:00:00.000Z`, in milliseconds.
pub(super) fn parse(text: &str) -> Result<i64> {
    let wrong = || Error::data(format!("not valid JSON: {text:?} is not a date: write it as 1970-01-01T00:00:00Z"));
    let timestamp = if text.len() == "1970-01-01".len() {
        text.parse::<Date>().ok().and_then(|date| utc(date.to_datetime(jiff::civil::Time::midnight())))
    } else {
        text.parse().ok()
    };
    timestamp.map(milliseconds).ok_or_else(wrong)
}

/// A date such as `Thu Jan 01 1970 00:00:00 UTC`.
pub(super) fn parse_spoken(text: &str) -> Result<i64> {
    let wrong = || Error::data(format!("not valid JSON: {text:?} is not a date such as Thu Jan 01 1970 00:00:00 UTC"));
    let (civil, zone) = text.rsplit_once(' ').ok_or_else(wrong)?;
    let civil = DateTime::strptime("%a %b %d %Y %H:%M:%S", civil).map_err(|_| wrong())?;
    let offset = match zone.strip_prefix("GMT").or_else(|| zone.strip_prefix("UTC")) {
        Some("") => 0,
        Some(offset) => minutes(offset).ok_or_else(wrong)?,
        None => minutes(zone).ok_or_else(wrong)?,
    };
    let timestamp = utc(civil).ok_or_else(wrong)?;
    Ok(milliseconds(timestamp) - offset * 60_000)
}

/// `+01:00` or `+0100`.
fn minutes(offset: &str) -> Option<i64> {
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 60 + number % 100))
}

/// Year, month from 0, day from 1, hour, minute, second, millisecond; each may be more than there are of it.
pub(super) fn of_parts(parts: &[i64]) -> Result<i64> {
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    let date = || -> Option<Timestamp> {
        let year = Date::new(i16::try_from(part(0)).ok()?, 1, 1).ok()?;
        let month = year.checked_add(Span::new().try_months(part(1)).ok()?).ok()?;
        let day = month.checked_add(Span::new().try_days(part(2) - 1).ok()?).ok()?;
        let time = Span::new().try_hours(part(3)).ok()?.try_minutes(part(4)).ok()?;
        let time = time.try_seconds(part(5)).ok()?.try_milliseconds(part(6)).ok()?;
        utc(day.to_datetime(jiff::civil::Time::midnight()).checked_add(time).ok()?)
    };
    date().map(milliseconds).ok_or_else(|| Error::data("not valid JSON: a date's numbers are out of range"))
}

fn utc(civil: DateTime) -> Option<Timestamp> {
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Rounded down, as Java does it.
fn milliseconds(timestamp: Timestamp) -> i64 {
    i64::try_from(timestamp.as_nanosecond().div_euclid(1_000_000)).unwrap_or_default()
}
