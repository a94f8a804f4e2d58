//! Dates, times and timestamps as `SimpleDateFormat` prints and reads them, in UTC.

use tributary_api::Value;
use tributary_api::time::{civil_date, days_to_month};

const DAY_MS: i64 = 86_400_000;

/// A time for what is within the first day or before it, a date for whole days, else a timestamp: the value alone
/// decides, not its type.
pub(crate) fn format(millis: i64) -> String {
    let (days, in_day) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    let (year, month, day) = civil_date(days);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let (second, milli) = (in_day / 1000, in_day % 1000);
    let time = format!("{:02}:{:02}:{:02}.{milli:03}Z", second / 3600, second / 60 % 60, second % 60);
    if millis < DAY_MS {
        time
    } else if in_day == 0 {
        date
    } else {
        format!("{date}T{time}")
    }
}

/// Milliseconds since the epoch of a date, time or timestamp.
pub(crate) fn millis(value: &Value) -> Option<i64> {
    match value {
        Value::Date(days) => Some(i64::from(*days) * DAY_MS),
        Value::Time(millis) => Some(i64::from(*millis)),
        Value::Timestamp(millis) => Some(*millis),
        _ => None,
    }
}

/// Reads `yyyy-MM-dd`, `HH:mm:ss.SSS'Z'` or both with a `T` between, distinguished by length. As in Java, numbers that
/// are too large carry over, and what follows the last number of a date is not looked at.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    match text.encode_utf16().count() {
        10 => i32::try_from(reader.date()?).ok().map(Value::Date),
        13 => i32::try_from(reader.time()?).ok().map(Value::Time),
        24 => {
            let days = reader.date()?;
            reader.literal('T')?;
            Some(Value::Timestamp(days.checked_mul(DAY_MS)?.checked_add(reader.time()?)?))
        }
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn date(&mut self) -> Option<i64> {
        let year = self.number()?;
        self.literal('-')?;
        let month = self.number()?;
        self.literal('-')?;
        let day = self.number()?;
        let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12));
        Some(days_to_month(year, month + 1) + day - 1)
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number()?;
        self.literal(':')?;
        let minute = self.number()?;
        self.literal(':')?;
        let second = self.number()?;
        self.literal('.')?;
        let milli = self.number()?;
        self.literal('Z')?;
        Some(((hour * 60 + minute) * 60 + second) * 1000 + milli)
    }

    fn number(&mut self) -> Option<i64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        // The length of the whole bounds the number of digits.
        digits.parse().ok().filter(|number| *number < 1_000_000_000)
    }

    fn literal(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }
}
