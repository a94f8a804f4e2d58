//! `AT TIME ZONE`.

use jiff::civil::DateTime as Civil;
use jiff::tz::TimeZone;

use super::text;
use crate::data::{DateTimeOffset, Datum, SqlError, Type};
use crate::sql::value::calendar::{self, DAY, EPOCH_1970, SECOND};

/// Windows' names of zones beside the ones that everybody has.
const WINDOWS: [(&str, &str); 12] = [
    ("UTC", "UTC"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("Mountain Standard Time", "America/Denver"),
    ("Central Standard Time", "America/Chicago"),
    ("Eastern Standard Time", "America/New_York"),
    ("GMT Standard Time", "Europe/London"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("Romance Standard Time", "Europe/Paris"),
    ("India Standard Time", "Asia/Kolkata"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
];

/// A clock's reading in a zone, or a moment as the zone's clocks show it.
pub(crate) fn at_time_zone(value: &Datum, kind: &Type, zone: &Datum) -> Result<Datum, SqlError> {
    if *value == Datum::Null || *zone == Datum::Null {
        return Ok(Datum::Null);
    }
    let name = text(zone);
    let unknown = || {
        SqlError::new(
            9820,
            16,
            1,
            format!("The time zone parameter '{name}' provided to AT TIME ZONE clause is invalid."),
        )
    };
    let iana = WINDOWS.iter().find(|(windows, _)| windows.eq_ignore_ascii_case(name)).map_or(name, |(_, iana)| iana);
    let zone = if iana == "UTC" { TimeZone::UTC } else { TimeZone::get(iana).map_err(|_| unknown())? };
    let utc = match value {
        Datum::DateTimeOffset(at) => calendar::ticks_of(at.utc),
        _ => {
            let local =
                super::super::value::convert::convert(value, kind, &Type::DateTime2 { scale: 7 }, Default::default())?;
            let Datum::DateTime2(local) = local else { return Ok(Datum::Null) };
            let ticks = calendar::ticks_of(local);
            let reading = civil(ticks).ok_or_else(unknown)?;
            let offset = zone.to_ambiguous_timestamp(reading).compatible().map_err(|_| unknown())?;
            unix_ticks(offset.as_second()) + ticks.rem_euclid(SECOND)
        }
    };
    let seconds = (utc - i64::from(EPOCH_1970) * DAY).div_euclid(SECOND);
    let at = jiff::Timestamp::from_second(seconds).map_err(|_| unknown())?;
    let offset = i16::try_from(zone.to_offset(at).seconds() / 60).unwrap_or(0);
    let utc = calendar::from_ticks(utc).ok_or_else(unknown)?;
    Ok(Datum::DateTimeOffset(DateTimeOffset { utc, offset }))
}

fn unix_ticks(seconds: i64) -> i64 {
    i64::from(EPOCH_1970) * DAY + seconds * SECOND
}

fn civil(ticks: i64) -> Option<Civil> {
    let at = calendar::from_ticks(ticks)?;
    let (year, month, day) = calendar::civil(at.date);
    let (hours, minutes, seconds, _) = crate::sql::value::time::clock(at.time);
    let small = |number: u64| i8::try_from(number).ok();
    Civil::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        small(hours)?,
        small(minutes)?,
        small(seconds)?,
        0,
    )
    .ok()
}
