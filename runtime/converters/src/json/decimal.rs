//! Decimal numbers of any size, as Java's `BigDecimal` reads and narrows them.

use num_bigint::{BigInt, Sign};
use tributary_api::Decimal;

/// Reads digits with an optional sign, point and exponent.
pub(crate) fn parse_decimal(text: &str) -> Option<Decimal> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (sign, whole) = match whole.as_bytes().first() {
        Some(b'-') => ("-", &whole[1..]),
        Some(b'+') => ("", &whole[1..]),
        _ => ("", whole),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let unscaled = format!("{sign}{whole}{fraction}").parse().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some(Decimal { unscaled, scale })
}

/// The whole part, cut to 64 bits.
pub(super) fn wrap_to_i64(decimal: &Decimal) -> i64 {
    let whole = match decimal.scale {
        0 => decimal.unscaled.clone(),
        // 10^64 and more are multiples of 2^64.
        ..-64 => return 0,
        scale @ -64..0 => &decimal.unscaled * BigInt::from(10).pow(scale.unsigned_abs()),
        scale if u64::from(scale.unsigned_abs()) > decimal.unscaled.bits() => return 0,
        scale => &decimal.unscaled / BigInt::from(10).pow(scale.unsigned_abs()),
    };
    wrap(&whole)
}

/// The lowest 64 bits of the two's complement.
pub(super) fn wrap(number: &BigInt) -> i64 {
    let lowest = number.magnitude().iter_u64_digits().next().unwrap_or(0);
    let wrapped = if number.sign() == Sign::Minus { lowest.wrapping_neg() } else { lowest };
    wrapped as i64
}

/// Whether a JSON number is whole by the way it is written.
pub(super) fn is_whole(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// A number as Java narrows it to a long: too large ones lose their highest bits, fractions are cut.
pub(super) fn to_i64(text: &str) -> i64 {
    if let Ok(number) = text.parse() {
        return number;
    }
    parse_decimal(text).map_or(0, |decimal| wrap_to_i64(&decimal))
}
