//! Values as numbers.

use crate::data::{Datum, SqlError, Type};
use crate::sql::value::number::{Number, decimal, fits, parse_exact};
use crate::sql::{errors, types};

pub(super) fn to_number(value: &Datum, from: &Type, to: &Type) -> Result<Datum, SqlError> {
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

pub(super) fn text_number(text: &str, from: &Type, to: &Type) -> Result<Number, SqlError> {
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
