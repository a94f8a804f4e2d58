//! From one type to another, as `CAST`, `CONVERT` and assignments do it.

mod fit;
mod moments;
mod numbers;
mod rules;

use self::fit::fit;
use self::moments::to_temporal;
pub(crate) use self::numbers::from_number;
use self::numbers::{text_number, to_number};
pub(crate) use self::rules::{Allowed, allowed};
use crate::data::{Collation, Datum, Length, SqlError, Type, Variant};
use crate::sql::value::number::{Number, exact_text};
use crate::sql::value::text;
use crate::sql::value::time::DateOrder;
use crate::sql::{errors, types};

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
pub(crate) fn literal_type(value: &str, national: bool, collation: Collation) -> Type {
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
    use crate::sql::value::calendar;
    use crate::sql::value::number::decimal;

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
