//! Functions of numbers.

use super::{Call, Signature, int};
use crate::data::{Datum, SqlError, Type};
use crate::sql::value::convert::from_number;
use crate::sql::value::number::{Number, power, rescale};
use crate::sql::{errors, types};

pub(super) fn resolve(call: &Call<'_>) -> Result<Option<Signature>, SqlError> {
    Ok(Some(match call.name {
        "ABS" | "SIGN" | "CEILING" | "FLOOR" => {
            call.count(1..=1)?;
            let kind = number_type(call, 0);
            let returns = match (&kind, call.name) {
                (Type::Decimal { precision, .. } | Type::Numeric { precision, .. }, "CEILING" | "FLOOR") => {
                    Type::Decimal { precision: *precision, scale: 0 }
                }
                _ => kind.clone(),
            };
            let (name, result) = (call.name.to_owned(), returns.clone());
            Signature::strict(vec![kind], returns, move |v| simple(&name, &v[0], &result))
        }
        "ROUND" => {
            call.count(2..=3)?;
            let kind = number_type(call, 0);
            let mut arguments = vec![kind.clone(), Type::Int];
            arguments.extend((call.arguments.len() == 3).then_some(Type::Int));
            let result = kind.clone();
            Signature::strict(arguments, kind, move |v| {
                round(&v[0], int(&v[1]), v.get(2).is_some_and(|cut| int(cut) != 0), &result)
            })
        }
        "POWER" => {
            call.count(2..=2)?;
            let kind = number_type(call, 0);
            let result = kind.clone();
            Signature::strict(vec![kind.clone(), Type::Float], kind, move |v| {
                let (Some(base), Datum::Float(exponent)) = (Number::of(&v[0]), &v[1]) else { return Ok(Datum::Null) };
                finite(base.approximate().powf(*exponent), &result)
            })
        }
        "SQRT" | "SQUARE" | "EXP" | "LOG10" | "SIN" | "COS" | "TAN" | "ASIN" | "ACOS" | "ATAN" | "COT" | "DEGREES"
        | "RADIANS" => {
            call.count(1..=1)?;
            let name = call.name.to_owned();
            Signature::strict(vec![Type::Float], Type::Float, move |v| {
                let Datum::Float(x) = v[0] else { return Ok(Datum::Null) };
                let value = match name.as_str() {
                    "SQRT" => x.sqrt(),
                    "SQUARE" => x * x,
                    "EXP" => x.exp(),
                    "LOG10" => x.log10(),
                    "SIN" => x.sin(),
                    "COS" => x.cos(),
                    "TAN" => x.tan(),
                    "ASIN" => x.asin(),
                    "ACOS" => x.acos(),
                    "ATAN" => x.atan(),
                    "COT" => x.tan().recip(),
                    "DEGREES" => x.to_degrees(),
                    _ => x.to_radians(),
                };
                finite(value, &Type::Float)
            })
        }
        "LOG" => {
            call.count(1..=2)?;
            Signature::strict(vec![Type::Float; call.arguments.len()], Type::Float, |v| match v {
                [Datum::Float(x)] => finite(x.ln(), &Type::Float),
                [Datum::Float(x), Datum::Float(base)] => finite(x.log(*base), &Type::Float),
                _ => Ok(Datum::Null),
            })
        }
        "PI" => {
            call.count(0..=0)?;
            Signature::fixed(Type::Float, Datum::Float(std::f64::consts::PI))
        }
        "RAND" => {
            call.count(0..=1)?;
            let arguments = vec![Type::Int; call.arguments.len()];
            let random: f64 = rand::random();
            Signature::lenient(arguments, Type::Float, move |v| {
                Ok(Datum::Float(match v.first() {
                    // The same seed gives the same number.
                    Some(seed) => (int(seed) as f64 * 0.618_033_988_749_895).rem_euclid(1.0),
                    None => random,
                }))
            })
        }
        _ => return Ok(None),
    }))
}

/// Small integers become `int`, texts and bits `float`.
fn number_type(call: &Call<'_>, at: usize) -> Type {
    match call.kind(at) {
        Type::TinyInt | Type::SmallInt => Type::Int,
        Type::SmallMoney => Type::Money,
        Type::Real | Type::Bit => Type::Float,
        kind if types::is_number(&kind) => kind,
        _ => Type::Float,
    }
}

fn finite(value: f64, kind: &Type) -> Result<Datum, SqlError> {
    if !value.is_finite() {
        return Err(SqlError::new(3623, 16, 1, "An invalid floating point operation occurred."));
    }
    from_number(Number::Approximate(value), &Type::Float, kind)
}

fn simple(name: &str, value: &Datum, result: &Type) -> Result<Datum, SqlError> {
    match Number::of(value) {
        Some(Number::Exact { unscaled, scale }) => {
            let unit = power(u32::from(scale));
            let unscaled = match name {
                "ABS" => unscaled.abs(),
                "SIGN" => unscaled.signum() * unit,
                "CEILING" => -(-unscaled).div_euclid(unit) * unit,
                _ => unscaled.div_euclid(unit) * unit,
            };
            from_number(Number::Exact { unscaled, scale }, result, result).map_err(|_| errors::overflow(result))
        }
        Some(Number::Approximate(x)) => {
            let x = match name {
                "ABS" => x.abs(),
                "SIGN" if x == 0.0 => 0.0,
                "SIGN" => x.signum(),
                "CEILING" => x.ceil(),
                _ => x.floor(),
            };
            from_number(Number::Approximate(x), result, result)
        }
        None => Ok(Datum::Null),
    }
}

/// To so many digits after the point, or before it where the count is negative.
fn round(value: &Datum, digits: i64, cut: bool, result: &Type) -> Result<Datum, SqlError> {
    match Number::of(value) {
        Some(Number::Exact { unscaled, scale }) => {
            let drop = i64::from(scale) - digits;
            let Some(drop) = u8::try_from(drop).ok().filter(|drop| *drop > 0) else { return Ok(value.clone()) };
            if drop > 38 {
                return from_number(Number::Exact { unscaled: 0, scale }, result, result);
            }
            let unit = power(u32::from(drop));
            let rounded = if cut { unscaled / unit } else { rescale(unscaled, drop, 0).unwrap_or(0) };
            let unscaled = rounded.checked_mul(unit).ok_or_else(|| errors::overflow(result))?;
            from_number(Number::Exact { unscaled, scale }, result, result).map_err(|_| errors::overflow(result))
        }
        Some(Number::Approximate(x)) => {
            let unit = 10_f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
            let scaled = x * unit;
            finite(if cut { scaled.trunc() } else { scaled.round() } / unit, result)
        }
        None => Ok(Datum::Null),
    }
}
