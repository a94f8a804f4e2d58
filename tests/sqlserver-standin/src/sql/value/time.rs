//! Dates and times as text: the forms that SQL Server reads, the styles in which it writes.

use super::calendar::{self, DAY, SECOND, civil, day_of};
use crate::data::{Date, Time};

/// What a text says of a moment: parts that are missing are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment {
    pub(crate) date: Option<Date>,
    /// Ticks of 100 ns since midnight.
    pub(crate) time: Option<i64>,
    /// Minutes east of UTC.
    pub(crate) offset: Option<i16>,
}

/// In which order a date with slashes has its parts: `SET DATEFORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DateOrder {
    #[default]
    MonthDayYear,
    DayMonthYear,
    YearMonthDay,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(crate) fn month_name(month: u32) -> &'static str {
    MONTHS[(month as usize + 11) % 12]
}

/// Monday is 0; 0001-01-01 was one.
pub(crate) fn weekday(date: Date) -> i32 {
    date.0.rem_euclid(7)
}

pub(crate) fn weekday_name(date: Date) -> &'static str {
    DAYS[weekday(date) as usize % 7]
}

/// Reads a date, a time or both.
pub(crate) fn parse(text: &str, order: DateOrder) -> Option<Moment> {
    let mut reader = Reader { rest: text.trim(), order };
    let mut moment = Moment::default();
    if reader.rest.is_empty() {
        return Some(moment);
    }
    if !reader.starts_time() {
        moment.date = Some(reader.date()?);
        if !reader.accept('T') && !reader.accept('t') {
            reader.blanks();
        }
    }
    if !reader.rest.is_empty() && !reader.starts_offset() {
        moment.time = Some(reader.time()?);
        reader.blanks();
    }
    if !reader.rest.is_empty() {
        moment.offset = Some(reader.offset()?);
    }
    reader.blanks();
    reader.rest.is_empty().then_some(moment)
}

struct Reader<'a> {
    rest: &'a str,
    order: DateOrder,
}

impl<'a> Reader<'a> {
    fn starts_time(&self) -> bool {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = self.rest[digits..].trim_start();
        (1..=2).contains(&digits)
            && (self.rest[digits..].starts_with(':')
                || after.to_ascii_uppercase().starts_with("AM")
                || after.to_ascii_uppercase().starts_with("PM"))
    }

    fn starts_offset(&self) -> bool {
        self.rest.starts_with(['+', '-', 'Z', 'z'])
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn accept(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn digits(&mut self) -> &'a str {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        digits
    }

    fn date(&mut self) -> Option<Date> {
        if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.date_in_words();
        }
        let first = self.digits();
        match (first.len(), self.rest.chars().next()) {
            (8, _) => day_of(first[..4].parse().ok()?, first[4..6].parse().ok()?, first[6..].parse().ok()?),
            (6, _) => day_of(full_year(first[..2].parse().ok()?), first[2..4].parse().ok()?, first[4..].parse().ok()?),
            (4, None) => day_of(first.parse().ok()?, 1, 1),
            (1..=4, Some(separator @ ('-' | '/' | '.'))) => self.date_in_numbers(first, separator),
            (1..=2, Some(' ' | 'A'..='Z' | 'a'..='z')) => {
                self.blanks();
                let month = self.month()?;
                self.blanks();
                self.accept(',');
                self.blanks();
                let year = self.year()?;
                day_of(year, month, first.parse().ok()?)
            }
            _ => None,
        }
    }

    fn date_in_numbers(&mut self, first: &str, separator: char) -> Option<Date> {
        self.accept(separator);
        let second = self.digits();
        if !self.accept(separator) {
            return None;
        }
        let third = self.digits();
        if second.is_empty() || second.len() > 2 || third.is_empty() {
            return None;
        }
        let number = |text: &str| text.parse::<u32>().ok();
        let year = |text: &str| {
            let year = text.parse().ok()?;
            Some(if text.len() <= 2 { full_year(year) } else { year })
        };
        if first.len() == 4 {
            return day_of(year(first)?, number(second)?, number(third)?);
        }
        match self.order {
            DateOrder::MonthDayYear => day_of(year(third)?, number(first)?, number(second)?),
            DateOrder::DayMonthYear => day_of(year(third)?, number(second)?, number(first)?),
            DateOrder::YearMonthDay => day_of(year(first)?, number(second)?, number(third)?),
        }
    }

    /// `Jan 2 2006`, `January 2, 2006`.
    fn date_in_words(&mut self) -> Option<Date> {
        let month = self.month()?;
        self.blanks();
        let day = self.digits();
        self.accept(',');
        self.blanks();
        let year = self.year()?;
        day_of(year, month, day.parse().ok()?)
    }

    fn year(&mut self) -> Option<i32> {
        let digits = self.digits();
        let year = digits.parse().ok()?;
        Some(if digits.len() <= 2 { full_year(year) } else { year })
    }

    fn month(&mut self) -> Option<u32> {
        let length = self.rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.rest.split_at(length);
        let at = MONTHS.iter().position(|month| {
            word.len() >= 3 && month.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        })?;
        self.rest = rest;
        u32::try_from(at + 1).ok()
    }

    fn time(&mut self) -> Option<i64> {
        let mut hours: i64 = self.digits().parse().ok()?;
        let (mut minutes, mut seconds, mut fraction) = (0, 0, 0);
        if self.accept(':') {
            minutes = self.digits().parse().ok()?;
            if self.accept(':') {
                seconds = self.digits().parse().ok()?;
                if self.accept('.') {
                    fraction = fraction_ticks(self.digits())?;
                } else if self.accept(':') {
                    // `:mmm` are thousandths.
                    fraction = self.digits().parse::<i64>().ok()? * 10_000;
                }
            }
        }
        self.blanks();
        let half = self.rest.get(..2).map(str::to_ascii_uppercase);
        if let Some(half) = half.filter(|half| half == "AM" || half == "PM") {
            self.rest = &self.rest[2..];
            if !(1..=12).contains(&hours) {
                return None;
            }
            hours = hours % 12 + if half == "PM" { 12 } else { 0 };
        }
        (hours < 24 && minutes < 60 && seconds < 60)
            .then_some(((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction)
    }

    fn offset(&mut self) -> Option<i16> {
        self.blanks();
        if self.accept('Z') || self.accept('z') {
            return Some(0);
        }
        let sign = if self.accept('-') {
            -1
        } else if self.accept('+') {
            1
        } else {
            return None;
        };
        let hours: i16 = self.digits().parse().ok()?;
        if !self.accept(':') {
            return None;
        }
        let minutes: i16 = self.digits().parse().ok()?;
        let offset = hours.checked_mul(60)? + minutes;
        (offset <= 840 && minutes < 60).then_some(sign * offset)
    }
}

/// Digits after the point to ticks, rounded at the seventh.
fn fraction_ticks(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let nanos: i64 = format!("{digits:0<9}").parse().ok()?;
    Some((nanos + 50) / 100)
}

/// Two digits mean the years 1950 to 2049.
fn full_year(year: i32) -> i32 {
    if year < 50 {
        2000 + year
    } else if year < 100 {
        1900 + year
    } else {
        year
    }
}

/// `2024-05-06`.
pub(crate) fn date_text(date: Date) -> String {
    let (year, month, day) = civil(date);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `13:14:15.1234567`, with so many digits.
pub(crate) fn time_text(time: Time, scale: u8) -> String {
    let (hours, minutes, seconds, ticks) = clock(time);
    let base = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if scale == 0 {
        return base;
    }
    let fraction = format!("{ticks:07}");
    format!("{base}.{}", &fraction[..usize::from(scale.min(7))])
}

pub(crate) fn offset_text(offset: i16) -> String {
    format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60)
}

/// Hours, minutes, seconds and ticks of 100 ns.
pub(crate) fn clock(time: Time) -> (u64, u64, u64, u64) {
    let second = SECOND.unsigned_abs();
    let seconds = time.0 / second;
    (seconds / 3600, seconds / 60 % 60, seconds % 60, time.0 % second)
}

/// A date and time in a style of `CONVERT`. `scale` is how many digits the type keeps of a second. None: no such style.
pub(crate) fn styled(ticks: i64, scale: u8, style: i32) -> Option<String> {
    let at = calendar::from_ticks(ticks)?;
    let (year, month, day) = civil(at.date);
    let (hours, minutes, seconds, fraction) = clock(at.time);
    let short = year % 100;
    let millis = format!("{:03}", fraction / 10_000);
    let twelve = if hours % 12 == 0 { 12 } else { hours % 12 };
    let half = if hours < 12 { "AM" } else { "PM" };
    let mon = &month_name(month)[..3];
    let hms = format!("{hours:02}:{minutes:02}:{seconds:02}");
    let exact = if scale > 3 { time_text(at.time, scale) } else { format!("{hms}.{millis}") };
    Some(match style {
        0 | 100 => format!("{mon} {day:>2} {year:04} {twelve:>2}:{minutes:02}{half}"),
        1 => format!("{month:02}/{day:02}/{short:02}"),
        101 => format!("{month:02}/{day:02}/{year:04}"),
        2 => format!("{short:02}.{month:02}.{day:02}"),
        102 => format!("{year:04}.{month:02}.{day:02}"),
        3 => format!("{day:02}/{month:02}/{short:02}"),
        103 => format!("{day:02}/{month:02}/{year:04}"),
        4 => format!("{day:02}.{month:02}.{short:02}"),
        104 => format!("{day:02}.{month:02}.{year:04}"),
        5 => format!("{day:02}-{month:02}-{short:02}"),
        105 => format!("{day:02}-{month:02}-{year:04}"),
        6 => format!("{day:02} {mon} {short:02}"),
        106 => format!("{day:02} {mon} {year:04}"),
        7 => format!("{mon} {day:02}, {short:02}"),
        107 => format!("{mon} {day:02}, {year:04}"),
        8 | 24 | 108 => hms,
        9 | 109 => format!("{mon} {day:>2} {year:04} {twelve:>2}:{minutes:02}:{seconds:02}:{millis}{half}"),
        10 => format!("{month:02}-{day:02}-{short:02}"),
        110 => format!("{month:02}-{day:02}-{year:04}"),
        11 => format!("{short:02}/{month:02}/{day:02}"),
        111 => format!("{year:04}/{month:02}/{day:02}"),
        12 => format!("{short:02}{month:02}{day:02}"),
        112 => format!("{year:04}{month:02}{day:02}"),
        13 | 113 => format!("{day:02} {mon} {year:04} {hms}:{millis}"),
        14 | 114 => format!("{hms}:{millis}"),
        20 | 120 => format!("{year:04}-{month:02}-{day:02} {hms}"),
        21 | 25 | 121 => format!("{year:04}-{month:02}-{day:02} {exact}"),
        22 => format!("{month:02}/{day:02}/{short:02} {twelve:>2}:{minutes:02}:{seconds:02} {half}"),
        23 => format!("{year:04}-{month:02}-{day:02}"),
        126 | 127 if fraction == 0 => format!("{year:04}-{month:02}-{day:02}T{hms}"),
        126 | 127 => format!("{year:04}-{month:02}-{day:02}T{exact}"),
        _ => return None,
    })
}

/// Ticks of a date at midnight.
pub(crate) fn midnight(date: Date) -> i64 {
    i64::from(date.0) * DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let moment = parse(text, DateOrder::default())?;
        let date = moment.date.map(date_text).unwrap_or_default();
        let time = moment.time.map(|time| time_text(Time(time.unsigned_abs()), 7)).unwrap_or_default();
        let offset = moment.offset.map(offset_text).unwrap_or_default();
        Some(format!("{date} {time} {offset}").trim().to_owned())
    }

    #[test]
    fn the_usual_forms_are_read() {
        for (text, meaning) in [
            ("2024-05-06", "2024-05-06"),
            ("20240506", "2024-05-06"),
            ("05/06/2024", "2024-05-06"),
            ("May 6 2024", "2024-05-06"),
            ("6 May 2024", "2024-05-06"),
            ("2024-05-06 13:14", "2024-05-06 13:14:00.0000000"),
            ("2024-05-06T13:14:15.123", "2024-05-06 13:14:15.1230000"),
            ("2024-05-06 01:14:15.1234567 PM", "2024-05-06 13:14:15.1234567"),
            ("2024-05-06 13:14:15 +02:00", "2024-05-06 13:14:15.0000000 +02:00"),
            ("2024-05-06T13:14:15Z", "2024-05-06 13:14:15.0000000 +00:00"),
            ("20240506 13:14:15", "2024-05-06 13:14:15.0000000"),
            ("13:14:15.5", "13:14:15.5000000"),
            ("May  6 2024  1:14PM", "2024-05-06 13:14:00.0000000"),
        ] {
            assert_eq!(read(text).as_deref(), Some(meaning), "{text}");
        }
        for wrong in ["2024-13-01", "2024-02-30", "hello", "2024-05-06 25:00", "2024-05-06 10:00 junk", "1-2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn styles_are_written() {
        let ticks = parse("2024-05-06 13:04:05.123", DateOrder::default())
            .map(|moment| midnight(moment.date.unwrap()) + moment.time.unwrap())
            .unwrap();
        for (style, text) in [
            (0, "May  6 2024  1:04PM"),
            (101, "05/06/2024"),
            (112, "20240506"),
            (120, "2024-05-06 13:04:05"),
            (121, "2024-05-06 13:04:05.123"),
            (126, "2024-05-06T13:04:05.123"),
            (113, "06 May 2024 13:04:05:123"),
        ] {
            assert_eq!(styled(ticks, 3, style).as_deref(), Some(text));
        }
        assert_eq!(styled(ticks, 3, 999), None);
    }
}
