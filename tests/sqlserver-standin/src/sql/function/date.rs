//! Functions of dates and times.

use super::{Call, Signature, int, int_datum, text};
use crate::data::{Date, Datum, SqlError, Time, Type};
use crate::sql::exec::Core;
use crate::sql::value::calendar::{self, DAY, SECOND, civil, day_of};
use crate::sql::value::convert::{Settings, convert};
use crate::sql::value::time::{self, DateOrder};
use crate::sql::{errors, types};

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Quarter,
    Month,
    DayOfYear,
    Day,
    Week,
    IsoWeek,
    Weekday,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Offset,
}

pub(super) fn resolve(call: &Call<'_>, core: &Core) -> Result<Option<Signature>, SqlError> {
    let clock = core.clock();
    let fixed = |kind: Type, value: Datum| {
        call.count(0..=0)?;
        Ok(Some(Signature::fixed(kind, value)))
    };
    match call.name {
        "GETDATE" | "CURRENT_TIMESTAMP" => return fixed(Type::DateTime, Datum::DateTime(clock.local_datetime())),
        "GETUTCDATE" => {
            let utc = calendar::to_datetime(calendar::ticks_of(clock.utc())).map_or(Datum::Null, Datum::DateTime);
            return fixed(Type::DateTime, utc);
        }
        "SYSDATETIME" => return fixed(Type::DateTime2 { scale: 7 }, Datum::DateTime2(clock.local())),
        "SYSUTCDATETIME" => return fixed(Type::DateTime2 { scale: 7 }, Datum::DateTime2(clock.utc())),
        "SYSDATETIMEOFFSET" => {
            return fixed(Type::DateTimeOffset { scale: 7 }, Datum::DateTimeOffset(clock.with_offset()));
        }
        "CURRENT_DATE" => return fixed(Type::Date, Datum::Date(clock.local().date)),
        _ => {}
    }
    let order = core.date_order();
    Ok(Some(match call.name {
        "DATEADD" => date_add(call)?,
        "DATEDIFF" | "DATEDIFF_BIG" => date_diff(call)?,
        "DATEPART" => {
            let part = part_of(call, 2)?;
            let kind = moment_type(call, 1);
            let of = kind.clone();
            let first = core.date_first();
            Signature::strict(vec![call.text(0), kind], Type::Int, move |v| {
                Ok(int_datum(date_part(part, &v[1], &of, first)?))
            })
        }
        "DATENAME" => {
            let part = part_of(call, 2)?;
            let kind = moment_type(call, 1);
            let of = kind.clone();
            let first = core.date_first();
            Signature::strict(vec![call.text(0), kind], call.nvarchar(30), move |v| {
                Ok(Datum::Text(date_name(part, &v[1], &of, first)?))
            })
        }
        "DAY" | "MONTH" | "YEAR" => {
            call.count(1..=1)?;
            let part = match call.name {
                "DAY" => Part::Day,
                "MONTH" => Part::Month,
                _ => Part::Year,
            };
            let kind = moment_type(call, 0);
            let of = kind.clone();
            Signature::strict(vec![kind], Type::Int, move |v| Ok(int_datum(date_part(part, &v[0], &of, 7)?)))
        }
        "DATETRUNC" => date_trunc(call)?,
        "EOMONTH" => {
            call.count(1..=2)?;
            let mut arguments = vec![Type::Date];
            arguments.extend((call.arguments.len() == 2).then_some(Type::Int));
            Signature::strict(arguments, Type::Date, |v| {
                let Datum::Date(date) = v[0] else { return Ok(Datum::Null) };
                let moved = add_months(date, v.get(1).map_or(0, int)).ok_or_else(add_overflow)?;
                let (year, month, _) = civil(moved);
                Ok(day_of(year, month, calendar::days_in_month(year, month)).map_or(Datum::Null, Datum::Date))
            })
        }
        "ISDATE" => {
            call.count(1..=1)?;
            let kind = call.text(0);
            let of = kind.clone();
            Signature::lenient(vec![kind], Type::Int, move |v| {
                let settings = Settings { style: None, order };
                let date = v[0] != Datum::Null && convert(&v[0], &of, &Type::DateTime, settings).is_ok();
                Ok(Datum::Int(i32::from(date)))
            })
            .required()
        }
        "TODATETIMEOFFSET" | "SWITCHOFFSET" => {
            call.count(2..=2)?;
            let switch = call.name == "SWITCHOFFSET";
            let scale = if types::is_temporal(&call.kind(0)) { types::time_scale(&call.kind(0)) } else { 7 };
            let from = if switch { Type::DateTimeOffset { scale } } else { Type::DateTime2 { scale } };
            let zone = if types::is_text(&call.kind(1)) { call.text(1) } else { Type::Int };
            Signature::strict(vec![from, zone], Type::DateTimeOffset { scale }, move |v| with_offset(v, switch))
        }
        "DATEFROMPARTS" => {
            call.count(3..=3)?;
            Signature::strict(vec![Type::Int; 3], Type::Date, |v| date_from(v, "date").map(Datum::Date))
        }
        "DATETIMEFROMPARTS" => {
            call.count(7..=7)?;
            Signature::strict(vec![Type::Int; 7], Type::DateTime, |v| {
                let ticks = ticks_from(&v[..6], "datetime")? + int(&v[6]) * 10_000;
                calendar::to_datetime(ticks).map(Datum::DateTime).ok_or_else(|| bad_parts("datetime"))
            })
        }
        "DATETIME2FROMPARTS" => {
            call.count(8..=8)?;
            let scale = match &call.arguments[7].constant {
                Some(Datum::Int(scale @ 0..=7)) => *scale as u8,
                _ => {
                    return Err(SqlError::new(
                        10_760,
                        16,
                        1,
                        "Scale argument is not valid. Valid expressions for data type datetime2 scale argument are integer constants and integer constant expressions.",
                    ));
                }
            };
            Signature::strict(vec![Type::Int; 8], Type::DateTime2 { scale }, move |v| {
                let unit = 10_i64.pow(7 - u32::from(scale));
                let ticks = ticks_from(&v[..6], "datetime2")? + int(&v[6]) * unit;
                calendar::from_ticks(ticks).map(Datum::DateTime2).ok_or_else(|| bad_parts("datetime2"))
            })
        }
        "TIMEFROMPARTS" => {
            call.count(5..=5)?;
            let scale = match &call.arguments[4].constant {
                Some(Datum::Int(scale @ 0..=7)) => *scale as u8,
                _ => {
                    return Err(SqlError::new(
                        10_760,
                        16,
                        1,
                        "Scale argument is not valid. Valid expressions for data type time scale argument are integer constants and integer constant expressions.",
                    ));
                }
            };
            Signature::strict(vec![Type::Int; 5], Type::Time { scale }, move |v| {
                let unit = 10_i64.pow(7 - u32::from(scale));
                let ticks = clock_ticks(&v[..3]).ok_or_else(|| bad_parts("time"))? + int(&v[3]) * unit;
                Ok(Datum::Time(Time(ticks.unsigned_abs())))
            })
        }
        _ => return Ok(None),
    }))
}

/// The type that a moment is taken in: texts and numbers become `datetime2` and `datetime`.
fn moment_type(call: &Call<'_>, at: usize) -> Type {
    let kind = call.kind(at);
    if types::is_temporal(&kind) {
        kind
    } else if types::is_number(&kind) {
        Type::DateTime
    } else {
        Type::DateTimeOffset { scale: 7 }
    }
}

fn part_of(call: &Call<'_>, arguments: usize) -> Result<Part, SqlError> {
    call.count(arguments..=arguments)?;
    let Some(Datum::Text(name)) = &call.arguments[0].constant else {
        return Err(errors::syntax_near(call.name));
    };
    Ok(match name.to_ascii_lowercase().as_str() {
        "year" | "yy" | "yyyy" => Part::Year,
        "quarter" | "qq" | "q" => Part::Quarter,
        "month" | "mm" | "m" => Part::Month,
        "dayofyear" | "dy" | "y" => Part::DayOfYear,
        "day" | "dd" | "d" => Part::Day,
        "week" | "wk" | "ww" => Part::Week,
        "iso_week" | "isowk" | "isoww" => Part::IsoWeek,
        "weekday" | "dw" | "w" => Part::Weekday,
        "hour" | "hh" => Part::Hour,
        "minute" | "mi" | "n" => Part::Minute,
        "second" | "ss" | "s" => Part::Second,
        "millisecond" | "ms" => Part::Millisecond,
        "microsecond" | "mcs" => Part::Microsecond,
        "nanosecond" | "ns" => Part::Nanosecond,
        "tzoffset" | "tz" => Part::Offset,
        _ => {
            return Err(SqlError::new(
                155,
                15,
                1,
                format!("'{name}' is not a recognized {} option.", call.name.to_lowercase()),
            ));
        }
    })
}

/// Ticks of 100 ns as the value shows them, and its offset from UTC.
fn local_ticks(value: &Datum) -> (i64, i16) {
    match value {
        Datum::Date(date) => (time::midnight(*date), 0),
        Datum::Time(at) => (i64::from(calendar::EPOCH_1900) * DAY + i64::try_from(at.0).unwrap_or(0), 0),
        Datum::DateTime(at) => {
            let midnight = calendar::datetime_ticks(crate::data::DateTime { ticks: 0, ..*at });
            (midnight + calendar::datetime_millis(*at) * 10_000, 0)
        }
        Datum::SmallDateTime(at) => (calendar::smalldatetime_ticks(*at), 0),
        Datum::DateTime2(at) => (calendar::ticks_of(*at), 0),
        Datum::DateTimeOffset(at) => (calendar::ticks_of(at.utc) + i64::from(at.offset) * 60 * SECOND, at.offset),
        _ => (0, 0),
    }
}

fn date_part(part: Part, value: &Datum, kind: &Type, first: i32) -> Result<i64, SqlError> {
    if part == Part::Offset && !matches!(kind, Type::DateTimeOffset { .. } | Type::DateTime2 { .. }) {
        return Err(SqlError::new(
            9810,
            16,
            1,
            format!(
                "The datepart tzoffset is not supported by date function datepart for data type {}.",
                types::name(kind)
            ),
        ));
    }
    let (ticks, offset) = local_ticks(value);
    let date = Date(i32::try_from(ticks.div_euclid(DAY)).unwrap_or(0));
    let (year, month, day) = civil(date);
    let of_day = ticks.rem_euclid(DAY);
    let first_of_year = day_of(year, 1, 1).map_or(0, |date| date.0);
    Ok(match part {
        Part::Year => i64::from(year),
        Part::Quarter => i64::from(month.div_ceil(3)),
        Part::Month => i64::from(month),
        Part::DayOfYear => i64::from(date.0 - first_of_year + 1),
        Part::Day => i64::from(day),
        Part::Week => {
            let before = weekday(Date(first_of_year), first) - 1;
            i64::from((date.0 - first_of_year + before) / 7 + 1)
        }
        Part::IsoWeek => i64::from(iso_week(date)),
        Part::Weekday => i64::from(weekday(date, first)),
        Part::Hour => of_day / (3600 * SECOND),
        Part::Minute => of_day / (60 * SECOND) % 60,
        Part::Second => of_day / SECOND % 60,
        Part::Millisecond => of_day % SECOND / 10_000,
        Part::Microsecond => of_day % SECOND / 10,
        Part::Nanosecond => of_day % SECOND * 100,
        Part::Offset => i64::from(offset),
    })
}

/// From 1, where `first` (1 is Monday) begins the week.
fn weekday(date: Date, first: i32) -> i32 {
    (time::weekday(date) - (first - 1)).rem_euclid(7) + 1
}

fn iso_week(date: Date) -> i32 {
    // The week's Thursday says which year it belongs to.
    let thursday = Date(date.0 - time::weekday(date) + 3);
    let (year, _, _) = civil(thursday);
    let first = day_of(year, 1, 1).map_or(0, |date| date.0);
    (thursday.0 - first) / 7 + 1
}

fn date_name(part: Part, value: &Datum, kind: &Type, first: i32) -> Result<String, SqlError> {
    let (ticks, offset) = local_ticks(value);
    let date = Date(i32::try_from(ticks.div_euclid(DAY)).unwrap_or(0));
    Ok(match part {
        Part::Month => time::month_name(civil(date).1).to_owned(),
        Part::Weekday => time::weekday_name(date).to_owned(),
        Part::Offset => time::offset_text(offset),
        _ => date_part(part, value, kind, first)?.to_string(),
    })
}

fn unit_ticks(part: Part) -> Option<i64> {
    Some(match part {
        Part::Week => 7 * DAY,
        Part::Day | Part::DayOfYear | Part::Weekday => DAY,
        Part::Hour => 3600 * SECOND,
        Part::Minute => 60 * SECOND,
        Part::Second => SECOND,
        Part::Millisecond => 10_000,
        Part::Microsecond => 10,
        _ => return None,
    })
}

fn date_add(call: &Call<'_>) -> Result<Signature, SqlError> {
    let part = part_of(call, 3)?;
    let kind = match call.kind(2) {
        kind if types::is_temporal(&kind) => kind,
        _ => Type::DateTime,
    };
    let of = kind.clone();
    let time_of_date = matches!(kind, Type::Date) && unit_ticks(part).is_some_and(|unit| unit < DAY);
    if time_of_date || part == Part::Offset || part == Part::IsoWeek {
        return Err(SqlError::new(
            9810,
            16,
            1,
            format!(
                "The datepart {} is not supported by date function dateadd for data type {}.",
                text(call.arguments[0].constant.as_ref().unwrap_or(&Datum::Null)),
                types::name(&kind)
            ),
        ));
    }
    Ok(Signature::strict(vec![call.text(0), Type::BigInt, kind.clone()], kind, move |v| {
        add(part, int(&v[1]), &v[2], &of)
    }))
}

fn add(part: Part, count: i64, value: &Datum, kind: &Type) -> Result<Datum, SqlError> {
    let (ticks, offset) = match value {
        // To the exact third of a second, so that nothing is lost on the way.
        Datum::DateTime(at) => (calendar::datetime_ticks(*at), 0),
        _ => local_ticks(value),
    };
    let months = match part {
        Part::Year => Some(12),
        Part::Quarter => Some(3),
        Part::Month => Some(1),
        _ => None,
    };
    let moved = if let Some(months) = months {
        let date = Date(i32::try_from(ticks.div_euclid(DAY)).unwrap_or(0));
        let moved = count.checked_mul(months).and_then(|months| add_months(date, months)).ok_or_else(add_overflow)?;
        time::midnight(moved) + ticks.rem_euclid(DAY)
    } else if part == Part::Nanosecond {
        ticks + count / 100
    } else {
        let unit = unit_ticks(part).unwrap_or(DAY);
        count.checked_mul(unit).and_then(|delta| ticks.checked_add(delta)).ok_or_else(add_overflow)?
    };
    let moved = if matches!(kind, Type::Time { .. }) {
        i64::from(calendar::EPOCH_1900) * DAY + moved.rem_euclid(DAY)
    } else {
        moved
    };
    let at = calendar::from_ticks(moved).ok_or_else(add_overflow)?;
    if let Type::DateTimeOffset { .. } = kind {
        let utc = calendar::from_ticks(moved - i64::from(offset) * 60 * SECOND).ok_or_else(add_overflow)?;
        return Ok(Datum::DateTimeOffset(crate::data::DateTimeOffset { utc, offset }));
    }
    convert(&Datum::DateTime2(at), &Type::DateTime2 { scale: 7 }, kind, Settings::default()).map_err(|_| add_overflow())
}

/// The same day of another month, or its last day.
fn add_months(date: Date, months: i64) -> Option<Date> {
    let (year, month, day) = civil(date);
    let total = i64::from(year) * 12 + i64::from(month) - 1 + months;
    let (year, month) = (i32::try_from(total.div_euclid(12)).ok()?, u32::try_from(total.rem_euclid(12)).ok()? + 1);
    day_of(year, month, day.min(calendar::days_in_month(year, month)))
}

fn add_overflow() -> SqlError {
    SqlError::new(517, 16, 1, "Adding a value to a 'datetime' column caused an overflow.")
}

/// How many borders of the part lie between two moments.
fn date_diff(call: &Call<'_>) -> Result<Signature, SqlError> {
    let part = part_of(call, 3)?;
    let big = call.name == "DATEDIFF_BIG";
    let arguments = vec![call.text(0), moment_type(call, 1), moment_type(call, 2)];
    Ok(Signature::strict(arguments, if big { Type::BigInt } else { Type::Int }, move |v| {
        let count = borders(part, &v[1], &v[2]);
        if big {
            return Ok(Datum::BigInt(count));
        }
        i32::try_from(count).map(Datum::Int).map_err(|_| SqlError::new(535, 16, 0, "The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart."))
    }))
}

fn borders(part: Part, from: &Datum, to: &Datum) -> i64 {
    let (from, to) = (local_ticks(from).0, local_ticks(to).0);
    let months = |ticks: i64| {
        let (year, month, _) = civil(Date(i32::try_from(ticks.div_euclid(DAY)).unwrap_or(0)));
        (i64::from(year), i64::from(month))
    };
    let ((y1, m1), (y2, m2)) = (months(from), months(to));
    match part {
        Part::Year => y2 - y1,
        Part::Quarter => (y2 * 4 + (m2 - 1) / 3) - (y1 * 4 + (m1 - 1) / 3),
        Part::Month => (y2 * 12 + m2) - (y1 * 12 + m1),
        // Weeks begin on Sundays here, whatever DATEFIRST says.
        Part::Week => (to.div_euclid(DAY) + 1).div_euclid(7) - (from.div_euclid(DAY) + 1).div_euclid(7),
        Part::Nanosecond => (to - from).saturating_mul(100),
        _ => {
            let unit = unit_ticks(part).unwrap_or(DAY);
            to.div_euclid(unit) - from.div_euclid(unit)
        }
    }
}

fn date_trunc(call: &Call<'_>) -> Result<Signature, SqlError> {
    let part = part_of(call, 2)?;
    let kind = if types::is_temporal(&call.kind(1)) { call.kind(1) } else { Type::DateTime2 { scale: 7 } };
    let of = kind.clone();
    Ok(Signature::strict(vec![call.text(0), kind.clone()], kind, move |v| {
        let (ticks, _) = local_ticks(&v[1]);
        let date = Date(i32::try_from(ticks.div_euclid(DAY)).unwrap_or(0));
        let (year, month, _) = civil(date);
        let start = |year, month| day_of(year, month, 1).map_or(0, time::midnight);
        let cut = match part {
            Part::Year => start(year, 1),
            Part::Quarter => start(year, (month - 1) / 3 * 3 + 1),
            Part::Month => start(year, month),
            Part::Week => time::midnight(Date(date.0 - (time::weekday(date) + 1) % 7)),
            _ => {
                let unit = unit_ticks(part).unwrap_or(DAY);
                ticks.div_euclid(unit) * unit
            }
        };
        let at = calendar::from_ticks(cut).ok_or_else(add_overflow)?;
        convert(&Datum::DateTime2(at), &Type::DateTime2 { scale: 7 }, &of, Settings::default())
    }))
}

/// Another offset: of the same clock (`TODATETIMEOFFSET`) or of the same moment (`SWITCHOFFSET`).
fn with_offset(v: &[Datum], switch: bool) -> Result<Datum, SqlError> {
    let bad = || SqlError::new(9812, 16, 0, "The timezone provided to builtin function todatetimeoffset is invalid.");
    let offset = match &v[1] {
        Datum::Int(minutes) => i16::try_from(*minutes).map_err(|_| bad())?,
        zone => time::parse(&format!("2000-01-01 00:00 {}", text(zone)), DateOrder::default())
            .and_then(|moment| moment.offset)
            .ok_or_else(bad)?,
    };
    if offset.abs() > 840 {
        return Err(bad());
    }
    let utc = match &v[0] {
        Datum::DateTimeOffset(at) if switch => at.utc,
        Datum::DateTime2(at) => {
            calendar::from_ticks(calendar::ticks_of(*at) - i64::from(offset) * 60 * SECOND).ok_or_else(bad)?
        }
        _ => return Ok(Datum::Null),
    };
    Ok(Datum::DateTimeOffset(crate::data::DateTimeOffset { utc, offset }))
}

fn bad_parts(kind: &str) -> SqlError {
    SqlError::new(
        289,
        16,
        1,
        format!("Cannot construct data type {kind}, some of the arguments have values which are not valid."),
    )
}

fn date_from(v: &[Datum], kind: &str) -> Result<Date, SqlError> {
    let part = |at: usize| i32::try_from(int(&v[at])).ok();
    let (year, month, day) = (part(0), part(1), part(2));
    let positive = |part: Option<i32>| part.and_then(|part| u32::try_from(part).ok());
    match (year, positive(month), positive(day)) {
        (Some(year), Some(month), Some(day)) => day_of(year, month, day).ok_or_else(|| bad_parts(kind)),
        _ => Err(bad_parts(kind)),
    }
}

fn clock_ticks(v: &[Datum]) -> Option<i64> {
    let (hours, minutes, seconds) = (int(&v[0]), int(&v[1]), int(&v[2]));
    let right = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    right.then_some(((hours * 60 + minutes) * 60 + seconds) * SECOND)
}

fn ticks_from(v: &[Datum], kind: &str) -> Result<i64, SqlError> {
    let date = date_from(v, kind)?;
    Ok(time::midnight(date) + clock_ticks(&v[3..6]).ok_or_else(|| bad_parts(kind))?)
}
