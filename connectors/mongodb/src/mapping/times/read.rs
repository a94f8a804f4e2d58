use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

use super::pattern::{Field, Item};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What was read so far.
#[derive(Clone, Debug, Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nano: Option<i64>,
    zone: Option<TimeZone>,
}

/// Reads a whole text. Without a zone it is UTC, without a time the start of the day.
pub(super) fn milliseconds(items: &[Item], text: &str) -> Option<i64> {
    let mut read = Read::default();
    let rest = sequence(items, text, &mut read)?;
    if !rest.is_empty() {
        return None;
    }
    let timestamp = read.timestamp()?;
    i64::try_from(timestamp.as_nanosecond().div_euclid(1_000_000)).ok()
}

fn sequence<'t>(items: &[Item], text: &'t str, read: &mut Read) -> Option<&'t str> {
    items.iter().try_fold(text, |text, item| match item {
        Item::Optional(inner) => {
            let mut tried = read.clone();
            match sequence(inner, text, &mut tried) {
                Some(rest) => {
                    *read = tried;
                    Some(rest)
                }
                None => Some(text),
            }
        }
        item => one(item, text, read),
    })
}

fn one<'t>(item: &Item, text: &'t str, read: &mut Read) -> Option<&'t str> {
    match item {
        Item::Text(expected) => text.strip_prefix(expected.as_str()),
        Item::Optional(_) => None,
        Item::Number { field, fewest, most } => {
            let (number, rest) = digits(text, *fewest, *most)?;
            read.set(*field, number)?;
            Some(rest)
        }
        Item::ShortYear => {
            let (number, rest) = digits(text, 2, 2)?;
            read.set(Field::Year, 2000 + number)?;
            Some(rest)
        }
        Item::Fraction(count) => {
            let (number, rest) = digits(text, *count, *count)?;
            read.set(Field::Nano, number * 10_i64.pow(9 - u32::try_from(*count).ok()?))?;
            Some(rest)
        }
        Item::Month => {
            let (index, rest) = name(text, &MONTHS)?;
            read.set(Field::Month, i64::try_from(index).ok()? + 1)?;
            Some(rest)
        }
        Item::Weekday => name(text, &DAYS).map(|(_, rest)| rest),
        Item::HalfDay => {
            let (half, rest) = text.split_at_checked(2)?;
            read.afternoon = match half.to_ascii_uppercase().as_str() {
                "AM" => Some(false),
                "PM" => Some(true),
                _ => return None,
            };
            Some(rest)
        }
        Item::Offset { letters, z } => {
            let (zone, rest) = offset(text, *letters, *z)?;
            read.put_zone(zone)?;
            Some(rest)
        }
        Item::Zone => {
            let (zone, rest) = zone(text)?;
            read.put_zone(zone)?;
            Some(rest)
        }
    }
}

fn digits(text: &str, fewest: usize, most: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(count).filter(|_| count >= fewest)?;
    Some((digits.parse().ok()?, rest))
}

/// In full, or its first three letters.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let matches = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let full = names.iter().position(|name| matches(name)).map(|index| (index, names[index].len()));
    let (index, length) = full.or_else(|| names.iter().position(|name| matches(&name[..3])).map(|index| (index, 3)))?;
    Some((index, text.get(length..)?))
}

fn offset(text: &str, letters: usize, z: bool) -> Option<(TimeZone, &str)> {
    if z && let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((TimeZone::UTC, rest));
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, rest) = digits(rest, 2, 2)?;
    let (minutes, rest) = match letters {
        1 => digits(rest, 2, 2).unwrap_or((0, rest)),
        2 => digits(rest, 2, 2)?,
        _ => digits(rest.strip_prefix(':')?, 2, 2)?,
    };
    Some((fixed(sign * (hours * 3600 + minutes * 60))?, rest))
}

fn fixed(seconds: i64) -> Option<TimeZone> {
    Offset::from_seconds(i32::try_from(seconds).ok()?).ok().map(TimeZone::fixed)
}

/// `Z`, an offset, or a name such as `Europe/Paris`, `UTC` or `GMT`.
fn zone(text: &str) -> Option<(TimeZone, &str)> {
    if let Some(found) = offset(text, 3, false).or_else(|| offset(text, 1, false)) {
        return Some(found);
    }
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    let length = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(length).filter(|(name, _)| !name.is_empty())?;
    match name {
        "Z" | "z" | "UTC" | "GMT" | "UT" => Some((TimeZone::UTC, rest)),
        name => TimeZone::get(name).ok().map(|zone| (zone, rest)),
    }
}

impl Read {
    /// A second value for one field must be the first.
    fn set(&mut self, field: Field, value: i64) -> Option<()> {
        let place = match field {
            Field::Year => &mut self.year,
            Field::Month => &mut self.month,
            Field::Day => &mut self.day,
            Field::Hour => &mut self.hour,
            Field::HalfHour => &mut self.half_hour,
            Field::Minute => &mut self.minute,
            Field::Second => &mut self.second,
            Field::Nano => &mut self.nano,
        };
        if place.is_some_and(|known| known != value) {
            return None;
        }
        *place = Some(value);
        Some(())
    }

    /// A name says more than an offset.
    fn put_zone(&mut self, zone: TimeZone) -> Option<()> {
        self.zone = Some(zone);
        Some(())
    }

    fn timestamp(&self) -> Option<Timestamp> {
        let (year, month) = (i16::try_from(self.year?).ok()?, i8::try_from(self.month?).ok()?);
        let day = i8::try_from(self.day?).ok().filter(|day| *day <= 31)?;
        let last = Date::new(year, month, 1).ok()?.days_in_month();
        let date = Date::new(year, month, day.min(last)).ok()?;
        let hour = match (self.hour, self.half_hour, self.afternoon) {
            (Some(hour), ..) => Some(hour),
            (None, Some(hour @ 1..=12), Some(afternoon)) => Some(hour % 12 + if afternoon { 12 } else { 0 }),
            (None, None, None) => None,
            _ => return None,
        };
        let part = |part: Option<i64>| i8::try_from(part.unwrap_or_default()).ok();
        let nano = i32::try_from(self.nano.unwrap_or_default()).ok()?;
        let time = Time::new(part(hour)?, part(self.minute)?, part(self.second)?, nano).ok()?;
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        // Without a time there is no instant: the zone says nothing.
        let zone = if hour.is_some() { zone } else { TimeZone::UTC };
        zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok().map(|zoned| zoned.timestamp())
    }
}
