//! `+ - * / %` and the bitwise operators: the type of what comes out, and the value.

use super::number::{Number, decimal, fits, power, rescale};
use crate::data::{Datum, Length, SqlError, Type};
use crate::sql::parse::ast::BinaryOp;
use crate::sql::{errors, types};

pub(crate) fn name(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "add",
        BinaryOp::Subtract => "subtract",
        BinaryOp::Multiply => "multiply",
        BinaryOp::Divide => "divide",
        BinaryOp::Modulo => "modulo",
        BinaryOp::BitAnd => "'&'",
        BinaryOp::BitOr => "'|'",
        BinaryOp::BitXor => "'^'",
        _ => "comparison",
    }
}

/// What an operator does with its operands: both are converted to `operands` first, except where none is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arithmetic {
    pub(crate) left: Type,
    pub(crate) right: Type,
    pub(crate) result: Type,
}

/// The types of an operation.
pub(crate) fn plan(op: BinaryOp, left: &Type, right: &Type) -> Result<Arithmetic, SqlError> {
    if op == BinaryOp::Add && (is_joined(left) && is_joined(right)) {
        return Ok(concatenation(left, right));
    }
    let high = if types::rank(left) >= types::rank(right) { left } else { right };
    match high {
        // `datetime + number` counts days.
        Type::DateTime | Type::SmallDateTime if matches!(op, BinaryOp::Add | BinaryOp::Subtract) => {
            return Ok(Arithmetic { left: Type::DateTime, right: Type::DateTime, result: high.clone() });
        }
        _ if types::is_temporal(high) => return Err(clash(op, left, right)),
        _ => {}
    }
    // A text beside a number is a number.
    if !types::is_number(high) {
        let bits = matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor);
        return Err(if bits || types::rank(left) != types::rank(right) {
            clash(op, left, right)
        } else {
            errors::bad_operand(high, name(op))
        });
    }
    let of = |kind: &Type| if types::is_number(kind) { kind.clone() } else { high.clone() };
    let (left, right) = (of(left), of(right));
    match high {
        Type::Float | Type::Real => {
            if op == BinaryOp::Modulo {
                return Err(clash(op, &left, &right));
            }
            Ok(Arithmetic { left: high.clone(), right: high.clone(), result: high.clone() })
        }
        Type::Decimal { .. } | Type::Numeric { .. } => {
            let size = |kind: &Type| types::exact_size(kind).unwrap_or((38, 0));
            let (precision, scale) = decimal_result(op, size(&left), size(&right));
            let named = |precision, scale| match high {
                Type::Numeric { .. } => Type::Numeric { precision, scale },
                _ => Type::Decimal { precision, scale },
            };
            let exact = |kind: &Type| {
                let (precision, scale) = size(kind);
                named(precision, scale)
            };
            Ok(Arithmetic { left: exact(&left), right: exact(&right), result: named(precision, scale) })
        }
        Type::Bit if !matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor) => {
            Err(clash(op, &left, &right))
        }
        _ => Ok(Arithmetic { left: high.clone(), right: high.clone(), result: high.clone() }),
    }
}

fn clash(op: BinaryOp, left: &Type, right: &Type) -> SqlError {
    errors::incompatible_operands(left, right, name(op))
}

fn is_joined(kind: &Type) -> bool {
    types::is_text(kind) || types::is_binary(kind)
}

fn concatenation(left: &Type, right: &Type) -> Arithmetic {
    if types::is_binary(left) && types::is_binary(right) {
        let length =
            types::size(left).zip(types::size(right)).map(|(a, b)| Length::Limited(a.saturating_add(b).min(8000)));
        let result = Type::VarBinary { length: length.unwrap_or(Length::Max) };
        return Arithmetic { left: result.clone(), right: result.clone(), result };
    }
    let unicode = types::is_unicode(left) || types::is_unicode(right);
    let most = if unicode { 4000 } else { 8000 };
    let length = types::size(left).zip(types::size(right)).map(|(a, b)| a.saturating_add(b).min(most));
    let collation = left.collation().or_else(|| right.collation()).unwrap_or_default();
    let result = types::text_of(unicode, length, collation);
    Arithmetic { left: result.clone(), right: result.clone(), result }
}

/// Precision and scale of an operation on decimals: as documented, with the scale cut down where 38 digits do not do.
fn decimal_result(op: BinaryOp, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> (u8, u8) {
    let (p1, s1, p2, s2) = (u32::from(p1), u32::from(s1), u32::from(p2), u32::from(s2));
    let (precision, scale) = match op {
        BinaryOp::Multiply => (p1 + p2 + 1, s1 + s2),
        BinaryOp::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        BinaryOp::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        _ => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + 1 + scale, scale)
        }
    };
    if precision <= 38 {
        return (precision as u8, scale as u8);
    }
    let whole = precision - scale;
    let scale = match op {
        BinaryOp::Multiply | BinaryOp::Divide if whole >= 32 => scale.min(6),
        _ => scale.min(38_u32.saturating_sub(whole)),
    };
    (38, scale as u8)
}

/// Carries out what [`plan`] planned, on operands of its types.
pub(crate) fn apply(op: BinaryOp, left: &Datum, right: &Datum, result: &Type) -> Result<Datum, SqlError> {
    match (left, right) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(Datum::Null),
        (Datum::Text(left), Datum::Text(right)) => Ok(Datum::Text(format!("{left}{right}"))),
        (Datum::Bytes(left), Datum::Bytes(right)) => Ok(Datum::Bytes([left.as_slice(), right].concat())),
        (Datum::DateTime(left), Datum::DateTime(right)) => datetimes(op, *left, *right, result),
        _ => numbers(op, left, right, result),
    }
}

fn datetimes(
    op: BinaryOp,
    left: crate::data::DateTime,
    right: crate::data::DateTime,
    result: &Type,
) -> Result<Datum, SqlError> {
    let thirds = |at: crate::data::DateTime| i64::from(at.days) * 25_920_000 + i64::from(at.ticks);
    let sum = if op == BinaryOp::Add { thirds(left) + thirds(right) } else { thirds(left) - thirds(right) };
    let days = i32::try_from(sum.div_euclid(25_920_000)).map_err(|_| errors::overflow(result))?;
    let ticks = u32::try_from(sum.rem_euclid(25_920_000)).map_err(|_| errors::overflow(result))?;
    let sum = Datum::DateTime(crate::data::DateTime { days, ticks });
    super::convert::convert(&sum, &Type::DateTime, result, super::convert::Settings::default())
}

fn numbers(op: BinaryOp, left: &Datum, right: &Datum, result: &Type) -> Result<Datum, SqlError> {
    let overflow = || errors::overflow(result);
    let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) else { return Err(overflow()) };
    let (a, s1, b, s2) = match (left, right) {
        (Number::Exact { unscaled: a, scale: s1 }, Number::Exact { unscaled: b, scale: s2 }) => (a, s1, b, s2),
        _ => return floats(op, left.approximate(), right.approximate(), result),
    };
    let zero_divisor = b == 0 && matches!(op, BinaryOp::Divide | BinaryOp::Modulo);
    if zero_divisor {
        return Err(errors::divide_by_zero());
    }
    match result {
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => {
            let unscaled = decimals(op, (a, s1), (b, s2), *scale).ok_or_else(overflow)?;
            if !fits(unscaled, *precision) {
                return Err(overflow());
            }
            Ok(decimal(unscaled, *precision, *scale))
        }
        Type::Money | Type::SmallMoney => {
            let value = match op {
                BinaryOp::Add => a.checked_add(b),
                BinaryOp::Subtract => a.checked_sub(b),
                BinaryOp::Multiply => a.checked_mul(b).and_then(|product| rescale(product, 8, 4)),
                BinaryOp::Divide => a.checked_mul(10_000).map(|a| a / b),
                _ => Some(a % b),
            };
            let number = Number::Exact { unscaled: value.ok_or_else(overflow)?, scale: 4 };
            super::convert::from_number(number, result, result)
        }
        _ => {
            let value = match op {
                BinaryOp::Add => a + b,
                BinaryOp::Subtract => a - b,
                BinaryOp::Multiply => a * b,
                BinaryOp::Divide => a / b,
                BinaryOp::Modulo => a % b,
                BinaryOp::BitAnd => a & b,
                BinaryOp::BitOr => a | b,
                _ => a ^ b,
            };
            let whole = Number::Exact { unscaled: value, scale: 0 };
            super::convert::from_number(whole, result, result).map_err(|_| overflow())
        }
    }
}

fn decimals(op: BinaryOp, (a, s1): (i128, u8), (b, s2): (i128, u8), scale: u8) -> Option<i128> {
    let common = s1.max(s2);
    match op {
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Modulo => {
            let (a, b) = (rescale(a, s1, common)?, rescale(b, s2, common)?);
            let value = match op {
                BinaryOp::Add => a.checked_add(b)?,
                BinaryOp::Subtract => a.checked_sub(b)?,
                _ => a % b,
            };
            rescale(value, common, scale)
        }
        BinaryOp::Multiply => match a.checked_mul(b) {
            Some(product) => rescale(product, s1 + s2, scale),
            None => None,
        },
        BinaryOp::Divide => {
            // a/10^s1 / (b/10^s2) at 10^scale, cut off: as SQL Server does.
            let shift = i32::from(scale) + i32::from(s2) - i32::from(s1);
            let wide =
                if shift >= 0 { a.checked_mul(power(shift.unsigned_abs()))? } else { a / power(shift.unsigned_abs()) };
            Some(wide / b)
        }
        _ => None,
    }
}

fn floats(op: BinaryOp, a: f64, b: f64, result: &Type) -> Result<Datum, SqlError> {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        _ if b == 0.0 => return Err(errors::divide_by_zero()),
        _ => a / b,
    };
    if !value.is_finite() {
        return Err(errors::overflow(result));
    }
    super::convert::from_number(Number::Approximate(value), result, result)
}

/// The negative of a number.
pub(crate) fn negate(value: &Datum, kind: &Type) -> Result<Datum, SqlError> {
    match value {
        Datum::Null => Ok(Datum::Null),
        Datum::Real(number) => Ok(Datum::Real(-number)),
        Datum::Float(number) => Ok(Datum::Float(-number)),
        _ => match Number::of(value) {
            Some(Number::Exact { unscaled, scale }) => {
                super::convert::from_number(Number::Exact { unscaled: -unscaled, scale }, kind, kind)
            }
            _ => Err(errors::bad_operand(kind, "minus")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: fn(u8, u8) -> Type = |precision, scale| Type::Decimal { precision, scale };

    #[test]
    fn decimals_have_the_documented_sizes() {
        let result = |op, left: &Type, right: &Type| plan(op, left, right).unwrap().result;
        assert_eq!(result(BinaryOp::Add, &D(10, 2), &D(5, 4)), D(13, 4));
        assert_eq!(result(BinaryOp::Multiply, &D(10, 2), &D(5, 4)), D(16, 6));
        assert_eq!(result(BinaryOp::Divide, &D(10, 2), &D(5, 4)), D(20, 8));
        assert_eq!(result(BinaryOp::Multiply, &D(38, 10), &D(38, 10)), D(38, 6));
        assert_eq!(result(BinaryOp::Add, &Type::Int, &D(5, 2)), D(13, 2));
    }

    #[test]
    fn whole_numbers_divide_whole_and_overflow() {
        let (ten, three) = (Datum::Int(10), Datum::Int(3));
        assert_eq!(apply(BinaryOp::Divide, &ten, &three, &Type::Int), Ok(Datum::Int(3)));
        assert_eq!(apply(BinaryOp::Divide, &ten, &Datum::Int(0), &Type::Int).unwrap_err().number, 8134);
        let most = Datum::Int(i32::MAX);
        assert_eq!(apply(BinaryOp::Add, &most, &ten, &Type::Int).unwrap_err().number, 8115);
        let quotient = apply(BinaryOp::Divide, &decimal(1000, 10, 2), &decimal(30000, 5, 4), &D(20, 8));
        assert_eq!(quotient, Ok(decimal(333_333_333, 20, 8)));
    }
}
