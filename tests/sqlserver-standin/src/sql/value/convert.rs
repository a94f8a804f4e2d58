//! From one type to another, as `CAST`, `CONVERT` and assignments do it.

use super::calendar::{self, EPOCH_1900};
use super::number::{Number, decimal, exact_text, fits, parse_exact};
use super::text;
use super::time::{self, DateOrder, Moment};
use crate::data::{Date, DateTime2, DateTimeOffset, Datum, Length, SqlError, Time, Type, Variant};
use crate::sql::{errors, types};

/// How far a conversion is allowed between two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Implicit,
    Explicit,
    Never,
}

pub(crate) fn allowed(from: &Type, to: &Type) -> Allowed {
    use Allowed::{Explicit, Implicit, Never};
    let legacy = |kind: &Type| kind.is_legacy_large();
    match (from, to) {
        _ if types::rank(from) == types::rank(to) => Implicit,
        (Type::Udt(_), _) => {
            if types::is_binary(to) || types::is_text(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::Udt(_)) => {
            if types::is_binary(from) || types::is_text(from) {
                Implicit
            } else {
                Never
            }
        }
        (Type::Variant, _) => {
            if legacy(to) || *to == Type::Xml {
                Never
            } else {
                Explicit
            }
        }
        (_, Type::Variant) => {
            if legacy(from) || *from == Type::Xml {
                Never
            } else {
                Implicit
            }
        }
        (Type::Xml, _) => {
            if types::is_text(to) || types::is_binary(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::Xml) => {
            if types::is_text(from) || types::is_binary(from) {
                Implicit
            } else {
                Never
            }
        }
        _ if types::is_text(from) && types::is_text(to) => Implicit,
        _ if types::is_text(from) && types::is_binary(to) => Explicit,
        _ if types::is_binary(from) && types::is_text(to) => Implicit,
        _ if legacy(from) || legacy(to) => Never,
        _ if types::is_text(from) => Implicit,
        _ if types::is_text(to) => {
            if matches!(from, Type::Money | Type::SmallMoney) {
                Explicit
            } else {
                Implicit
            }
        }
        (Type::UniqueIdentifier, _) => {
            if types::is_binary(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::UniqueIdentifier) => {
            if types::is_binary(from) {
                Explicit
            } else {
                Never
            }
        }
        _ if types::is_number(from) && types::is_number(to) => Implicit,
        _ if types::is_binary(from) && types::is_binary(to) => Implicit,
        _ if types::is_binary(from) && matches!(to, Type::Real | Type::Float) => Never,
        _ if types::is_binary(from) && types::is_number(to) => Implicit,
        _ if types::is_number(from) && types::is_binary(to) => Implicit,
        _ if types::is_temporal(from) && types::is_temporal(to) => match (from, to) {
            (Type::Date, Type::Time { .. }) | (Type::Time { .. }, Type::Date) => Never,
            _ => Implicit,
        },
        _ if types::is_temporal(from) && types::is_binary(to) => Explicit,
        _ if types::is_binary(from) && types::is_temporal(to) => Explicit,
        (_, Type::DateTime | Type::SmallDateTime) if types::is_number(from) => Implicit,
        (Type::DateTime | Type::SmallDateTime, _) if types::is_number(to) => Explicit,
        _ => Never,
    }
}

/// What conversions depend on besides their types.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) style: Option<i32>,
    pub(crate) order: DateOrder,
}

/// The value in another type, cut off where texts and bytes are too long.
pub(crate) fn convert(value: &Datum, from: &Type, to: &Type, settings: Settings) -> Result<Datum, SqlError> {
    let converted = unfitted(value, from, to, settings)?;
    Ok(fit(converted, to).0)
}

/// The value in a column's type; the flag says that something but blanks (or zero bytes) had to be cut off.
pub(crate) fn assign(value: &Datum, from: &Type, to: &Type, settings: Settings) -> Result<(Datum, bool), SqlError> {
    Ok(fit(unfitted(value, from, to, settings)?, to))
}

fn unfitted(value: &Datum, from: &Type, to: &Type, settings: Settings) -> Result<Datum, SqlError> {
    match value {
        Datum::Null => return Ok(Datum::Null),
        Datum::Variant(variant) if *to != Type::Variant => {
            return unfitted(&variant.value, &variant.r#type, to, settings);
        }
        _ => {}
    }
    match to {
        _ if types::is_text(to) => to_text(value, from, to, settings.style).map(Datum::Text),
        Type::Xml => match value {
            Datum::Bytes(bytes) => Ok(Datum::Xml(String::from_utf8_lossy(bytes).into_owned())),
            _ => to_text(value, from, to, settings.style).map(Datum::Xml),
        },
        _ if types::is_number(to) => to_number(value, from, to),
        _ if types::is_temporal(to) => to_temporal(value, from, to, settings),
        Type::UniqueIdentifier => to_guid(value, from, to),
        Type::Variant => Ok(match value {
            Datum::Variant(_) => value.clone(),
            _ => Datum::Variant(Box::new(Variant { r#type: from.clone(), value: value.clone() })),
        }),
        _ => to_bytes(value, from, to, settings.style).map(Datum::Bytes),
    }
}

/// Pads to the length of fixed types and cuts off what is too long.
fn fit(value: Datum, to: &Type) -> (Datum, bool) {
    match value {
        Datum::Text(text) => fit_text(text, to),
        Datum::Bytes(mut bytes) => {
            let Some(size) = types::size(to).map(usize::from) else { return (Datum::Bytes(bytes), false) };
            let cut = bytes.len() > size;
            bytes.truncate(size);
            if matches!(to, Type::Binary { .. } | Type::RowVersion) {
                bytes.resize(size, 0);
            }
            (Datum::Bytes(bytes), cut)
        }
        other => (other, false),
    }
}

fn fit_text(mut text: String, to: &Type) -> (Datum, bool) {
    let Some(size) = types::size(to).map(usize::from) else { return (Datum::Text(text), false) };
    let unicode = types::is_unicode(to);
    let utf8 = to.collation().is_some_and(|collation| collation.is_utf8());
    let units = |c: char| {
        if unicode {
            c.len_utf16()
        } else if utf8 {
            c.len_utf8()
        } else {
            1
        }
    };
    let mut length = 0;
    let mut cut = false;
    if text.len() > size || !text.is_ascii() {
        let end = text.char_indices().find(|(_, c)| {
            length += units(*c);
            length > size
        });
        if let Some((at, c)) = end {
            length -= units(c);
            cut = text[at..].contains(|c| c != ' ');
            text.truncate(at);
        }
    } else {
        length = text.len();
    }
    if matches!(to, Type::Char { .. } | Type::NChar { .. }) {
        text.extend(std::iter::repeat_n(' ', size.saturating_sub(length)));
    }
    if !unicode
        && !text.is_ascii()
        && let Some(collation) = to.collation()
    {
        text = through_code_page(text, collation);
    }
    (Datum::Text(text), cut)
}

/// What a code page does not have becomes a question mark.
fn through_code_page(text: String, collation: crate::data::Collation) -> String {
    let encoding = collation.encoding();
    let (_, _, lossy) = encoding.encode(&text);
    if !lossy {
        return text;
    }
    let mut buffer = [0; 4];
    text.chars().map(|c| if encoding.encode(c.encode_utf8(&mut buffer)).2 { '?' } else { c }).collect()
}

fn to_text(value: &Datum, from: &Type, to: &Type, style: Option<i32>) -> Result<String, SqlError> {
    if let Datum::Bytes(bytes) = value
        && style.unwrap_or(0) == 0
    {
        if types::is_unicode(to) {
            let units: Vec<u16> =
                bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])).collect();
            return Ok(String::from_utf16_lossy(&units));
        }
        let encoding = to.collation().unwrap_or_default().encoding();
        return Ok(encoding.decode_without_bom_handling(bytes).0.into_owned());
    }
    let text = text::format(value, from, style).ok_or_else(|| errors::bad_style(style.unwrap_or(0), from))?;
    let too_short = types::size(to).is_some_and(|size| text.len() > usize::from(size));
    if !too_short || types::is_text(from) || types::is_binary(from) || types::is_temporal(from) {
        return Ok(text);
    }
    match from {
        Type::TinyInt | Type::SmallInt | Type::Int if !types::is_unicode(to) => Ok("*".to_owned()),
        Type::UniqueIdentifier => {
            Err(SqlError::new(8170, 16, 2, "Insufficient result space to convert uniqueidentifier value to char."))
        }
        _ => Err(errors::overflow_from(from, to)),
    }
}

fn to_number(value: &Datum, from: &Type, to: &Type) -> Result<Datum, SqlError> {
    let number = match value {
        Datum::Text(text) => match to {
            Type::Bit if text.trim().eq_ignore_ascii_case("true") => Number::Exact { unscaled: 1, scale: 0 },
            Type::Bit if text.trim().eq_ignore_ascii_case("false") => Number::Exact { unscaled: 0, scale: 0 },
            _ => text_number(text, from, to)?,
        },
        Datum::Bytes(bytes) => bytes_number(bytes, to),
        Datum::DateTime(at) => Number::Approximate(f64::from(at.days) + f64::from(at.ticks) / 25_920_000.0),
        Datum::SmallDateTime(at) => Number::Approximate(f64::from(at.days) + f64::from(at.minutes) / 1440.0),
        _ => Number::of(value).ok_or_else(|| errors::explicit_conversion(from, to))?,
    };
    from_number(number, from, to)
}

/// A number in a numeric type.
pub(crate) fn from_number(number: Number, from: &Type, to: &Type) -> Result<Datum, SqlError> {
    let whole = || number.truncated().ok_or_else(|| errors::overflow(to));
    match to {
        Type::Bit => Ok(Datum::Bit(match number {
            Number::Exact { unscaled, .. } => unscaled != 0,
            Number::Approximate(number) => number != 0.0,
        })),
        Type::TinyInt => whole().and_then(|n| u8::try_from(n).map(Datum::TinyInt).map_err(|_| small(from, to, n))),
        Type::SmallInt => whole().and_then(|n| i16::try_from(n).map(Datum::SmallInt).map_err(|_| small(from, to, n))),
        Type::Int => {
            integral(number, from, to).and_then(|n| i32::try_from(n).map(Datum::Int).map_err(|_| errors::overflow(to)))
        }
        Type::BigInt => integral(number, from, to)
            .and_then(|n| i64::try_from(n).map(Datum::BigInt).map_err(|_| errors::overflow(to))),
        Type::Real => {
            let narrow = number.approximate() as f32;
            if narrow.is_finite() { Ok(Datum::Real(narrow)) } else { Err(errors::overflow(to)) }
        }
        Type::Float => Ok(Datum::Float(number.approximate())),
        Type::Money => {
            number.at_scale(4).and_then(|n| i64::try_from(n).ok()).map(Datum::Money).ok_or_else(|| errors::overflow(to))
        }
        Type::SmallMoney => number
            .at_scale(4)
            .and_then(|n| i32::try_from(n).ok())
            .map(|n| Datum::Money(i64::from(n)))
            .ok_or_else(|| errors::overflow(to)),
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => number
            .at_scale(*scale)
            .filter(|unscaled| fits(*unscaled, *precision))
            .map(|unscaled| decimal(unscaled, *precision, *scale))
            .ok_or_else(|| errors::overflow_from(from, to)),
        _ => Err(errors::explicit_conversion(from, to)),
    }
}

/// Money rounds on its way to an integer; other numbers are cut.
fn integral(number: Number, from: &Type, to: &Type) -> Result<i128, SqlError> {
    let found = match (number, from) {
        (Number::Exact { .. }, Type::Money | Type::SmallMoney) => number.at_scale(0),
        _ => number.truncated(),
    };
    found.ok_or_else(|| errors::overflow(to))
}

fn small(from: &Type, to: &Type, value: i128) -> SqlError {
    if types::is_text(from) {
        let kind = if *to == Type::TinyInt { "an INT1" } else { "an INT2" };
        return SqlError::new(
            244,
            16,
            1,
            format!(
                "The conversion of the {} value '{value}' overflowed {kind} column. Use a larger integer column.",
                types::name(from)
            ),
        );
    }
    errors::small_overflow(to, value)
}

fn text_number(text: &str, from: &Type, to: &Type) -> Result<Number, SqlError> {
    let trimmed = text.trim();
    match to {
        Type::Float | Type::Real => {
            if trimmed.is_empty() {
                return Ok(Number::Exact { unscaled: 0, scale: 0 });
            }
            let digits = trimmed.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            let parsed = trimmed.parse().ok().filter(|_| digits);
            parsed.map(Number::Approximate).ok_or_else(|| errors::converting(from, to))
        }
        Type::Decimal { .. } | Type::Numeric { .. } => parse_exact(trimmed)
            .map(|(unscaled, scale)| Number::Exact { unscaled, scale })
            .ok_or_else(|| errors::converting(from, to)),
        Type::Money | Type::SmallMoney => {
            let bare: String = trimmed.chars().filter(|c| !matches!(c, ',' | '$' | '€' | '£')).collect();
            let bare = if bare.is_empty() { "0" } else { &bare };
            parse_exact(bare).map(|(unscaled, scale)| Number::Exact { unscaled, scale }).ok_or_else(|| {
                SqlError::new(235, 16, 0, "Cannot convert a char value to money. The char value has incorrect syntax.")
            })
        }
        _ => {
            if trimmed.is_empty() {
                return Ok(Number::Exact { unscaled: 0, scale: 0 });
            }
            match parse_exact(trimmed) {
                Some((unscaled, 0)) if !trimmed.contains('.') => Ok(Number::Exact { unscaled, scale: 0 }),
                _ => Err(errors::conversion_failed(from, text, to)),
            }
        }
    }
}

/// The last bytes, big-endian.
fn bytes_number(bytes: &[u8], to: &Type) -> Number {
    let size = usize::try_from(types::max_length(to)).unwrap_or(8).min(8);
    let tail = &bytes[bytes.len().saturating_sub(size)..];
    let mut all = 0_u64;
    for byte in tail {
        all = all << 8 | u64::from(*byte);
    }
    let signed = match to {
        Type::SmallInt => i128::from((all as u16).cast_signed()),
        Type::Int | Type::SmallMoney => i128::from((all as u32).cast_signed()),
        Type::BigInt | Type::Money => i128::from(all.cast_signed()),
        _ => i128::from(all),
    };
    let scale = if matches!(to, Type::Money | Type::SmallMoney) { 4 } else { 0 };
    Number::Exact { unscaled: signed, scale }
}

fn to_bytes(value: &Datum, from: &Type, to: &Type, style: Option<i32>) -> Result<Vec<u8>, SqlError> {
    let right = |bytes: &[u8]| match (types::size(to), to) {
        // Numbers stand at the right end of a fixed length.
        (Some(size), Type::Binary { .. }) => {
            let size = usize::from(size);
            let mut padded = vec![0; size.saturating_sub(bytes.len())];
            padded.extend(&bytes[bytes.len().saturating_sub(size)..]);
            padded
        }
        (Some(size), _) => bytes[bytes.len().saturating_sub(usize::from(size))..].to_vec(),
        (None, _) => bytes.to_vec(),
    };
    Ok(match value {
        Datum::Bytes(bytes) => bytes.clone(),
        Datum::Text(text) => match style.unwrap_or(0) {
            1 => text
                .strip_prefix("0x")
                .or_else(|| text.strip_prefix("0X"))
                .and_then(text::parse_hex)
                .ok_or_else(|| errors::converting(from, to))?,
            2 => text::parse_hex(text).ok_or_else(|| errors::converting(from, to))?,
            _ if types::is_unicode(from) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => from.collation().unwrap_or_default().encoding().encode(text).0.into_owned(),
        },
        Datum::Xml(text) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Datum::Guid(bytes) => super::encode::guid_memory(bytes).to_vec(),
        Datum::Bit(bit) => right(&[u8::from(*bit)]),
        Datum::TinyInt(number) => right(&number.to_be_bytes()),
        Datum::SmallInt(number) => right(&number.to_be_bytes()),
        Datum::Int(number) => right(&number.to_be_bytes()),
        Datum::BigInt(number) | Datum::Money(number) => right(&number.to_be_bytes()),
        Datum::Real(number) => right(&number.to_be_bytes()),
        Datum::Float(number) => right(&number.to_be_bytes()),
        Datum::Decimal(decimal) => {
            let mut bytes = vec![decimal.precision, decimal.scale, 0, u8::from(decimal.unscaled >= 0)];
            bytes.extend(&decimal.unscaled.unsigned_abs().to_le_bytes()[..]);
            bytes
        }
        Datum::DateTime(at) => {
            let mut bytes = at.days.to_be_bytes().to_vec();
            bytes.extend(at.ticks.to_be_bytes());
            right(&bytes)
        }
        Datum::SmallDateTime(at) => {
            let mut bytes = at.days.to_be_bytes().to_vec();
            bytes.extend(at.minutes.to_be_bytes());
            right(&bytes)
        }
        Datum::Date(date) => date.0.to_le_bytes()[..3].to_vec(),
        Datum::Null | Datum::Time(_) | Datum::DateTime2(_) | Datum::DateTimeOffset(_) | Datum::Variant(_) => {
            return Err(errors::explicit_conversion(from, to));
        }
    })
}

fn to_guid(value: &Datum, from: &Type, to: &Type) -> Result<Datum, SqlError> {
    match value {
        Datum::Guid(_) => Ok(value.clone()),
        Datum::Text(text) => text::parse_guid(text).map(Datum::Guid).ok_or_else(errors::bad_guid),
        Datum::Bytes(bytes) => {
            let mut memory = [0; 16];
            for (to, from) in memory.iter_mut().zip(bytes) {
                *to = *from;
            }
            Ok(Datum::Guid(super::encode::guid_memory(&memory)))
        }
        _ => Err(errors::explicit_conversion(from, to)),
    }
}

fn to_temporal(value: &Datum, from: &Type, to: &Type, settings: Settings) -> Result<Datum, SqlError> {
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
fn datetime_to(to: &Type, at: crate::data::DateTime) -> i64 {
    match to {
        Type::DateTime | Type::SmallDateTime => calendar::datetime_ticks(at),
        _ => calendar::datetime_ticks(at),
    }
}

fn text_refused(text: &str, from: &Type, to: &Type) -> SqlError {
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

/// A text of a number of any form, for `ISNUMERIC`.
pub(crate) fn is_numeric(value: &Datum, kind: &Type) -> bool {
    match value {
        Datum::Text(text) => {
            let trimmed = text.trim();
            !trimmed.is_empty()
                && (text_number(trimmed, kind, &Type::Float).is_ok()
                    || text_number(trimmed, kind, &Type::Money).is_ok())
        }
        _ => Number::of(value).is_some(),
    }
}

/// How a value shows in the message of a duplicate key.
pub(crate) fn key_text(value: &Datum, kind: &Type) -> String {
    match value {
        Datum::Null => "<NULL>".to_owned(),
        Datum::Bytes(bytes) => format!("0x{}", text::hex(bytes).to_lowercase()),
        Datum::Decimal(decimal) => exact_text(decimal.unscaled, decimal.scale),
        Datum::Text(text) => text.clone(),
        _ => text::format(value, kind, None).unwrap_or_default(),
    }
}

/// `max` or not, by what a text has: for literals.
pub(crate) fn literal_type(value: &str, national: bool, collation: crate::data::Collation) -> Type {
    let length = if national { value.encode_utf16().count() } else { value.chars().count() };
    let most = if national { 4000 } else { 8000 };
    let length = match u16::try_from(length) {
        Ok(length) if length <= most => Length::Limited(length.max(1)),
        _ => Length::Max,
    };
    if national { Type::NVarChar { length, collation } } else { Type::VarChar { length, collation } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Collation;

    fn text(value: &str) -> (Datum, Type) {
        (Datum::Text(value.to_owned()), literal_type(value, false, Collation::DEFAULT))
    }

    fn to(value: &str, kind: &Type) -> Result<Datum, i32> {
        let (value, from) = text(value);
        convert(&value, &from, kind, Settings::default()).map_err(|error| error.number)
    }

    #[test]
    fn texts_become_numbers_or_errors() {
        assert_eq!(to(" 42 ", &Type::Int), Ok(Datum::Int(42)));
        assert_eq!(to("", &Type::Int), Ok(Datum::Int(0)));
        assert_eq!(to("4.2", &Type::Int), Err(245));
        assert_eq!(to("99999999999", &Type::Int), Err(8115));
        assert_eq!(to("300", &Type::TinyInt), Err(244));
        assert_eq!(to("1.005", &Type::Decimal { precision: 5, scale: 2 }), Ok(decimal(101, 5, 2)));
        assert_eq!(to("1234.5", &Type::Decimal { precision: 5, scale: 2 }), Err(8115));
        assert_eq!(to("x", &Type::Decimal { precision: 5, scale: 2 }), Err(8114));
        assert_eq!(to("$1,234.5", &Type::Money), Ok(Datum::Money(12_345_000)));
        assert_eq!(to("true", &Type::Bit), Ok(Datum::Bit(true)));
        assert_eq!(to("1e3", &Type::Float), Ok(Datum::Float(1000.0)));
    }

    #[test]
    fn texts_are_padded_and_cut() {
        let kind = Type::Char { length: 5, collation: Collation::DEFAULT };
        assert_eq!(to("ab", &kind), Ok(Datum::Text("ab   ".to_owned())));
        assert_eq!(to("abcdefg", &kind), Ok(Datum::Text("abcde".to_owned())));
        let (value, from) = text("abcdefg");
        assert!(assign(&value, &from, &kind, Settings::default()).unwrap().1);
        let (value, from) = text("abcde   ");
        assert!(!assign(&value, &from, &kind, Settings::default()).unwrap().1);
        let narrow = Type::VarChar { length: Length::Limited(3), collation: Collation::DEFAULT };
        assert_eq!(to("日本", &narrow), Ok(Datum::Text("??".to_owned())));
    }

    #[test]
    fn moments_are_rounded_to_their_types() {
        assert_eq!(to("2024-02-30", &Type::DateTime), Err(242));
        assert_eq!(to("nonsense", &Type::Date), Err(241));
        let Ok(Datum::DateTime(at)) = to("2024-05-06 10:00:00.005", &Type::DateTime) else { panic!() };
        assert_eq!(calendar::datetime_millis(at) % 1000, 7);
        let last = to("9999-12-31 23:59:59.9999999", &Type::DateTime2 { scale: 3 });
        assert!(last.is_ok());
    }
}
