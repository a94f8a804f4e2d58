//! Values as clients send them: parameters, and rows of a bulk load.

use crate::data::{
    Collation, Date, DateTime, DateTime2, DateTimeOffset, Datum, Decimal, Length, SmallDateTime, Time, Type, Variant,
};

use super::{
    super::bytes::{Malformed, Source, utf16},
    MAX,
    encode::mixed_endian,
    info, ticks_in_unit, time_bytes, token,
};

const NO_VALUE: u64 = u64::MAX;
const UNKNOWN_LENGTH: u64 = u64::MAX - 1;
const LAST_DAY: i32 = 3_652_058;
const TICKS_OF_DAY: u64 = 864_000_000_000;

/// Reads a value of a type that was described before. `never_null`: the type has a fixed length, which is not sent.
pub(in crate::wire) fn value(source: &mut Source<'_>, r#type: &Type, never_null: bool) -> Result<Datum, Malformed> {
    match r#type {
        short if short.has_short_length() => match source.u16()? {
            MAX => Ok(Datum::Null),
            length => source.take(usize::from(length)).map(|bytes| long(r#type, bytes)),
        },
        partial if partial.is_partial() => Ok(parts(source)?.map_or(Datum::Null, |bytes| long(r#type, &bytes))),
        Type::Text { .. } | Type::NText { .. } | Type::Image => match source.u32()? {
            u32::MAX => Ok(Datum::Null),
            length => source.take(length as usize).map(|bytes| long(r#type, bytes)),
        },
        Type::Variant => match source.u32()? {
            0 => Ok(Datum::Null),
            length => variant(source.take(length as usize)?),
        },
        _ if never_null => short(r#type, source.take(fixed_length(r#type))?),
        _ => match source.u8()? {
            0 => Ok(Datum::Null),
            length => short(r#type, source.take(usize::from(length))?),
        },
    }
}

/// The old types have one byte of length, and no room for `max`.
pub(in crate::wire) fn old_value(source: &mut Source<'_>, r#type: &Type) -> Result<Datum, Malformed> {
    match source.u8()? {
        u8::MAX => Ok(Datum::Null),
        length => source.take(usize::from(length)).map(|bytes| long(r#type, bytes)),
    }
}

/// Whether values of the type's number have one byte of length although they are text or bytes.
pub(in crate::wire) fn is_old(number: u8) -> bool {
    matches!(number, token::OLD_BINARY | token::OLD_VARBINARY | token::OLD_CHAR | token::OLD_VARCHAR)
}

/// Whether the type's number means a null without a type, which has no value at all.
pub(in crate::wire) fn is_void(number: u8) -> bool {
    number == token::NULL
}

fn fixed_length(r#type: &Type) -> usize {
    match r#type {
        Type::Bit | Type::TinyInt => 1,
        Type::SmallInt => 2,
        Type::Int | Type::Real | Type::SmallMoney | Type::SmallDateTime => 4,
        _ => 8,
    }
}

fn long(r#type: &Type, bytes: &[u8]) -> Datum {
    match r#type {
        Type::Char { collation, .. } | Type::VarChar { collation, .. } | Type::Text { collation } => {
            Datum::Text(decoded(bytes, *collation))
        }
        Type::NChar { .. } | Type::NVarChar { .. } | Type::NText { .. } => Datum::Text(utf16(bytes)),
        Type::Xml => Datum::Xml(xml(bytes)),
        _ => Datum::Bytes(bytes.to_vec()),
    }
}

fn decoded(bytes: &[u8], collation: Collation) -> String {
    collation.encoding().decode_without_bom_handling(bytes).0.into_owned()
}

/// Clients put a byte order mark before XML or leave it out.
fn xml(bytes: &[u8]) -> String {
    utf16(bytes.strip_prefix(&[0xff, 0xfe]).unwrap_or(bytes))
}

/// A `max` value put together; none for null.
fn parts(source: &mut Source<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let announced = source.u64()?;
    if announced == NO_VALUE {
        return Ok(None);
    }
    let mut whole = Vec::new();
    loop {
        match source.u32()? {
            0 => break,
            length => whole.extend_from_slice(source.take(length as usize)?),
        }
    }
    if announced != UNKNOWN_LENGTH && announced != whole.len() as u64 {
        return Err(Malformed("a value of another length than it says"));
    }
    Ok(Some(whole))
}

/// A value whose bytes are all there is of it.
fn short(r#type: &Type, bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut source = Source::new(bytes);
    let datum = match r#type {
        Type::Bit => Datum::Bit(source.u8()? != 0),
        Type::TinyInt => Datum::TinyInt(source.u8()?),
        Type::SmallInt => Datum::SmallInt(source.array().map(i16::from_le_bytes)?),
        Type::Int => Datum::Int(source.i32()?),
        Type::BigInt => Datum::BigInt(source.array().map(i64::from_le_bytes)?),
        Type::Real => Datum::Real(source.array().map(f32::from_le_bytes)?),
        Type::Float => Datum::Float(source.array().map(f64::from_le_bytes)?),
        Type::SmallMoney => Datum::Money(i64::from(source.i32()?)),
        Type::Money => {
            let (high, low) = (source.i32()?, source.u32()?);
            Datum::Money((i64::from(high) << 32) | i64::from(low))
        }
        Type::SmallDateTime => small_datetime(source.u16()?, source.u16()?)?,
        Type::DateTime => datetime(source.i32()?, source.u32()?)?,
        Type::UniqueIdentifier => Datum::Guid(mixed_endian(source.array()?)),
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => decimal(bytes, *precision, *scale)?,
        Type::Date => Datum::Date(date(&mut source)?),
        Type::Time { scale } => Datum::Time(time(&mut source, *scale)?),
        Type::DateTime2 { scale } => Datum::DateTime2(datetime2(&mut source, *scale)?),
        Type::DateTimeOffset { scale } => {
            let utc = datetime2(&mut source, *scale)?;
            let offset = source.array().map(i16::from_le_bytes)?;
            if !(-840..=840).contains(&offset) {
                return Err(Malformed("an impossible offset from UTC"));
            }
            Datum::DateTimeOffset(DateTimeOffset { utc, offset })
        }
        _ => return Err(Malformed("a value of a type that has none of this length")),
    };
    match datum {
        Datum::Decimal(_) => Ok(datum),
        _ if source.is_empty() => Ok(datum),
        _ => Err(Malformed("a value longer than its type")),
    }
}

fn datetime(days: i32, ticks: u32) -> Result<Datum, Malformed> {
    if !(-53690..=2_958_463).contains(&days) || ticks >= 25_920_000 {
        return Err(Malformed("an impossible datetime"));
    }
    Ok(Datum::DateTime(DateTime { days, ticks }))
}

fn small_datetime(days: u16, minutes: u16) -> Result<Datum, Malformed> {
    if minutes >= 1440 {
        return Err(Malformed("an impossible smalldatetime"));
    }
    Ok(Datum::SmallDateTime(SmallDateTime { days, minutes }))
}

fn decimal(bytes: &[u8], precision: u8, scale: u8) -> Result<Datum, Malformed> {
    let (sign, rest) = bytes.split_first().ok_or(Malformed("a decimal without a sign"))?;
    if rest.len() > 16 {
        return Err(Malformed("a decimal of impossible length"));
    }
    let mut magnitude = [0; 16];
    magnitude[..rest.len()].copy_from_slice(rest);
    let magnitude = u128::from_le_bytes(magnitude);
    if magnitude >= 10_u128.pow(38) {
        return Err(Malformed("a decimal of more than 38 digits"));
    }
    let unscaled = if *sign == 0 { -(magnitude as i128) } else { magnitude as i128 };
    Ok(Datum::Decimal(Decimal { unscaled, precision, scale }))
}

fn date(source: &mut Source<'_>) -> Result<Date, Malformed> {
    let [a, b, c] = source.array()?;
    match i32::from_le_bytes([a, b, c, 0]) {
        days @ 0..=LAST_DAY => Ok(Date(days)),
        _ => Err(Malformed("a date after the year 9999")),
    }
}

fn time(source: &mut Source<'_>, scale: u8) -> Result<Time, Malformed> {
    let length = usize::from(time_bytes(scale));
    let mut units = [0; 8];
    units[..length].copy_from_slice(source.take(length)?);
    match u64::from_le_bytes(units).checked_mul(ticks_in_unit(scale)) {
        Some(ticks) if ticks < TICKS_OF_DAY => Ok(Time(ticks)),
        _ => Err(Malformed("a time after midnight")),
    }
}

fn datetime2(source: &mut Source<'_>, scale: u8) -> Result<DateTime2, Malformed> {
    let time = time(source, scale)?;
    Ok(DateTime2 { date: date(source)?, time })
}

fn variant(bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut source = Source::new(bytes);
    let [number, properties] = source.array()?;
    let mut properties_of = Source::new(source.take(usize::from(properties))?);
    let rest = source.rest();
    let r#type = match number {
        token::GUID => Type::UniqueIdentifier,
        token::DATE => Type::Date,
        token::TIME => Type::Time { scale: info::scale(&mut properties_of)? },
        token::DATETIME2 => Type::DateTime2 { scale: info::scale(&mut properties_of)? },
        token::DATETIME_OFFSET => Type::DateTimeOffset { scale: info::scale(&mut properties_of)? },
        token::DECIMAL_N | token::NUMERIC_N => {
            let [precision, scale] = properties_of.array()?;
            if precision == 0 || precision > 38 || scale > precision {
                return Err(Malformed("a decimal of impossible precision"));
            }
            Type::Decimal { precision, scale }
        }
        token::BINARY => Type::Binary { length: properties_of.u16()? },
        token::VARBINARY => Type::VarBinary { length: Length::Limited(properties_of.u16()?) },
        token::CHAR => Type::Char { collation: info::collation(&mut properties_of)?, length: properties_of.u16()? },
        token::VARCHAR => {
            let collation = info::collation(&mut properties_of)?;
            Type::VarChar { collation, length: Length::Limited(properties_of.u16()?) }
        }
        token::NCHAR => {
            Type::NChar { collation: info::collation(&mut properties_of)?, length: properties_of.u16()? / 2 }
        }
        token::NVARCHAR => {
            let collation = info::collation(&mut properties_of)?;
            Type::NVarChar { collation, length: Length::Limited(properties_of.u16()? / 2) }
        }
        _ => info::fixed(number).ok_or(Malformed("a variant of no known type"))?,
    };
    let value = match r#type {
        Type::Binary { .. }
        | Type::VarBinary { .. }
        | Type::Char { .. }
        | Type::VarChar { .. }
        | Type::NChar { .. }
        | Type::NVarChar { .. } => long(&r#type, rest),
        _ => short(&r#type, rest)?,
    };
    Ok(Datum::Variant(Box::new(Variant { r#type, value })))
}
