//! Values as dates and times.

use super::Settings;
use crate::data::{Date, DateTime, DateTime2, DateTimeOffset, Datum, SqlError, Time, Type};
use crate::sql::value::calendar::{self, EPOCH_1900};
use crate::sql::value::number::Number;
use crate::sql::value::time::{self, DateOrder, Moment};
use crate::sql::{errors, types};

pub(super) fn to_temporal(value: &Datum, from: &Type, to: &Type, settings: Settings) -> Result<Datum, SqlError> {
    let moment = match value {
        Datum::Text(text) => {
            let order = match settings.style {
                Some(3 | 4 | 5 | 103 | 104 | 105) => DateOrder::DayMonthYear,
                Some(1 | 10 | 101 | 110) => DateOrder::MonthDayYear,
                Some(2 | 11 | 102 | 111) => DateOrder::YearMonthDay,
                _ => settings.order,
            };
            time::parse(text, order).ok_or_else(|| text_refused(text, from, to))?
        }
        Datum::Date(date) => Moment { date: Some(*date), ..Moment::default() },
        Datum::Time(at) => Moment { time: i64::try_from(at.0).ok(), ..Moment::default() },
        Datum::DateTime(at) => of_ticks(datetime_to(to, *at)),
        Datum::SmallDateTime(at) => of_ticks(calendar::smalldatetime_ticks(*at)),
        Datum::DateTime2(at) => of_ticks(calendar::ticks_of(*at)),
        Datum::DateTimeOffset(at) => {
            if matches!(to, Type::DateTimeOffset { .. }) {
                return offset_rounded(calendar::ticks_of(at.utc), at.offset, to);
            }
            of_ticks(calendar::ticks_of(at.utc) + i64::from(at.offset) * 60 * calendar::SECOND)
        }
        Datum::Bytes(bytes) => return bytes_temporal(bytes, from, to),
        _ => {
            let days = Number::of(value).ok_or_else(|| errors::explicit_conversion(from, to))?.approximate();
            of_ticks(((days + f64::from(EPOCH_1900)) * calendar::DAY as f64) as i64)
        }
    };
    from_moment(moment, from, to)
}

/// A `datetime` in a finer type: its exact thirds for datetime2, as SQL Server has them since 2016.
fn datetime_to(to: &Type, at: DateTime) -> i64 {
    match to {
        Type::DateTime | Type::SmallDateTime => calendar::datetime_ticks(at),
        _ => calendar::datetime_ticks(at),
    }
}

pub(super) fn text_refused(text: &str, from: &Type, to: &Type) -> SqlError {
    let looks_right = text.trim().len() >= 8 && text.trim().starts_with(|c: char| c.is_ascii_digit());
    match to {
        Type::DateTime if looks_right => errors::datetime_range(from, to),
        Type::SmallDateTime => {
            SqlError::new(295, 16, 3, "Conversion failed when converting character string to smalldatetime data type.")
        }
        _ => errors::bad_datetime(),
    }
}

fn of_ticks(ticks: i64) -> Moment {
    let day = i32::try_from(ticks.div_euclid(calendar::DAY)).ok();
    Moment { date: day.map(Date), time: Some(ticks.rem_euclid(calendar::DAY)), offset: None }
}

fn from_moment(moment: Moment, from: &Type, to: &Type) -> Result<Datum, SqlError> {
    let range = || errors::datetime_range(from, to);
    let date = moment.date.unwrap_or(Date(EPOCH_1900));
    let ticks = i64::from(date.0) * calendar::DAY + moment.time.unwrap_or(0);
    match to {
        Type::Date => {
            if (0..=calendar::LAST_DAY).contains(&date.0) {
                Ok(Datum::Date(date))
            } else {
                Err(range())
            }
        }
        Type::Time { scale } => {
            let rounded = calendar::round_to_scale(moment.time.unwrap_or(0), *scale).rem_euclid(calendar::DAY);
            Ok(Datum::Time(Time(rounded.unsigned_abs())))
        }
        Type::DateTime => calendar::to_datetime(ticks).map(Datum::DateTime).ok_or_else(range),
        Type::SmallDateTime => calendar::to_smalldatetime(ticks).map(Datum::SmallDateTime).ok_or_else(range),
        Type::DateTime2 { scale } => rounded(ticks, *scale).map(Datum::DateTime2).ok_or_else(range),
        _ => {
            let offset = moment.offset.unwrap_or(0);
            offset_rounded(ticks - i64::from(offset) * 60 * calendar::SECOND, offset, to)
        }
    }
}

/// Rounded to the scale, but never past the last instant that there is.
fn rounded(ticks: i64, scale: u8) -> Option<DateTime2> {
    calendar::from_ticks(calendar::round_to_scale(ticks, scale)).or_else(|| {
        let unit = 10_i64.pow(7 - u32::from(scale.min(7)));
        calendar::from_ticks(ticks.div_euclid(unit) * unit)
    })
}

fn offset_rounded(utc: i64, offset: i16, to: &Type) -> Result<Datum, SqlError> {
    let scale = types::time_scale(to);
    rounded(utc, scale)
        .map(|utc| Datum::DateTimeOffset(DateTimeOffset { utc, offset }))
        .ok_or_else(|| errors::datetime_range(to, to))
}

fn bytes_temporal(bytes: &[u8], from: &Type, to: &Type) -> Result<Datum, SqlError> {
    let mut padded = [0_u8; 8];
    let tail = &bytes[bytes.len().saturating_sub(8)..];
    padded[8 - tail.len()..].copy_from_slice(tail);
    if *to != Type::DateTime {
        return Err(errors::explicit_conversion(from, to));
    }
    let (days, ticks) = padded.split_at(4);
    let days = i32::from_be_bytes(days.try_into().unwrap_or_default());
    let ticks = u32::from_be_bytes(ticks.try_into().unwrap_or_default());
    Ok(Datum::DateTime(crate::data::DateTime { days, ticks }))
}
