//! Exact numbers beside approximate ones, and how they are written.

use crate::data::{Datum, Decimal};

/// Ten to a power that fits.
pub(crate) fn power(exponent: u32) -> i128 {
    10_i128.pow(exponent.min(38))
}

/// A number on its way from one type to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// `unscaled / 10^scale`.
    Exact {
        unscaled: i128,
        scale: u8,
    },
    Approximate(f64),
}

impl Number {
    /// The number that a value is; none of texts, times and bytes.
    pub(crate) fn of(value: &Datum) -> Option<Number> {
        let exact = |unscaled, scale| Some(Number::Exact { unscaled, scale });
        match value {
            Datum::Bit(bit) => exact(i128::from(*bit), 0),
            Datum::TinyInt(number) => exact(i128::from(*number), 0),
            Datum::SmallInt(number) => exact(i128::from(*number), 0),
            Datum::Int(number) => exact(i128::from(*number), 0),
            Datum::BigInt(number) => exact(i128::from(*number), 0),
            Datum::Money(number) => exact(i128::from(*number), 4),
            Datum::Decimal(decimal) => exact(decimal.unscaled, decimal.scale),
            Datum::Real(number) => Some(Number::Approximate(f64::from(*number))),
            Datum::Float(number) => Some(Number::Approximate(*number)),
            _ => None,
        }
    }

    pub(crate) fn approximate(self) -> f64 {
        match self {
            // Through text: the nearest double to the decimal number, as dividing by ten's power is not.
            Number::Exact { unscaled, scale } => exact_text(unscaled, scale).parse().unwrap_or(f64::NAN),
            Number::Approximate(number) => number,
        }
    }

    /// With fractions cut off, as numbers become integers.
    pub(crate) fn truncated(self) -> Option<i128> {
        match self {
            Number::Exact { unscaled, scale } => Some(unscaled / power(u32::from(scale))),
            Number::Approximate(number) if number.is_finite() && number.abs() < 1e37 => Some(number.trunc() as i128),
            Number::Approximate(_) => None,
        }
    }

    /// In units of `10^-scale`, rounded half away from zero; none if it is too large.
    pub(crate) fn at_scale(self, scale: u8) -> Option<i128> {
        match self {
            Number::Exact { unscaled, scale: from } => rescale(unscaled, from, scale),
            Number::Approximate(number) if number.is_finite() => approximate_at_scale(number, scale),
            Number::Approximate(_) => None,
        }
    }
}

/// Through the shortest text that means the number, so that 0.1 is a tenth.
fn approximate_at_scale(number: f64, scale: u8) -> Option<i128> {
    if number.abs() >= 1e38 {
        return None;
    }
    // More than 17 digits of a double are noise to SQL Server also.
    let (unscaled, from) = parse_exact(&format!("{number}"))?;
    rescale(unscaled, from, scale)
}

/// From one scale to another, rounding half away from zero.
pub(crate) fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return unscaled.checked_mul(power(u32::from(to - from)));
    }
    let unit = power(u32::from(from - to));
    let (quotient, rest) = (unscaled / unit, unscaled % unit);
    let round = if rest.unsigned_abs() * 2 >= unit.unsigned_abs() { unscaled.signum() } else { 0 };
    Some(quotient + round)
}

/// Whether a number of so many digits fits a precision.
pub(crate) fn fits(unscaled: i128, precision: u8) -> bool {
    precision >= 38 && unscaled.unsigned_abs() < 10_u128.pow(38)
        || unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision.min(38)))
}

pub(crate) fn decimal(unscaled: i128, precision: u8, scale: u8) -> Datum {
    Datum::Decimal(Decimal { unscaled, precision, scale })
}

/// `-12.50`; a number below one has its zero.
pub(crate) fn exact_text(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A number in digits with an optional sign and point: unscaled and scale. Fractions past 38 digits are cut off.
pub(crate) fn parse_exact(text: &str) -> Option<(i128, u8)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let room = 38_usize.saturating_sub(whole.trim_start_matches('0').len());
    let fraction = &fraction[..fraction.len().min(room)];
    if fraction.contains('.') {
        return None;
    }
    let joined = format!("{whole}{fraction}");
    let unscaled: i128 = joined
        .trim_start_matches('0')
        .parse()
        .or_else(|error| if joined.trim_start_matches('0').is_empty() { Ok(0) } else { Err(error) })
        .ok()?;
    Some((if negative { -unscaled } else { unscaled }, u8::try_from(fraction.len()).ok()?))
}

/// As `printf`'s `%g` with so many digits and an exponent of three: how floats become texts.
pub(crate) fn general_text(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        return format!("{mantissa}e{}{:03}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    let fixed = format!("{number:.decimals$}");
    if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
}

/// `1.5000000000000000e+000`: styles 1 to 3 of `CONVERT`.
pub(crate) fn scientific_text(number: f64, decimals: usize) -> String {
    let scientific = format!("{number:.decimals$e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:03}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(rescale(125, 2, 1), Some(13));
        assert_eq!(rescale(-125, 2, 1), Some(-13));
        assert_eq!(rescale(124, 2, 1), Some(12));
        assert_eq!(Number::Approximate(0.1).at_scale(4), Some(1000));
        assert_eq!(Number::Approximate(1e300).at_scale(4), None);
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        assert_eq!(exact_text(-5, 2), "-0.05");
        assert_eq!(exact_text(9_223_372_036_854_775_807, 4), "922337203685477.5807");
        assert_eq!(parse_exact("922337203685477.5807"), Some((9_223_372_036_854_775_807, 4)));
        assert_eq!(parse_exact("1.2.3"), None);
        assert_eq!(parse_exact("-"), None);
        assert_eq!(general_text(1234567.0, 6), "1.23457e+006");
        assert_eq!(general_text(0.5, 6), "0.5");
        assert_eq!(general_text(100.0, 6), "100");
        assert_eq!(general_text(0.00001, 6), "1e-005");
        assert_eq!(scientific_text(1.5, 15), "1.500000000000000e+000");
    }
}
