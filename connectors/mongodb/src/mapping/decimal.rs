use num_bigint::Sign;
use tributary_api::{Decimal, Error, Result};

/// The greatest coefficient has 34 digits.
const DIGITS: usize = 34;
/// The exponent of the number 1 × 10^0 as it is stored (IEEE 754-2008, decimal128, binary integer significand).
const BIAS: i64 = 6176;
/// The greatest exponent.
const GREATEST: i64 = 6111;

/// A decimal in BSON's format. Exact, never rounded.
///
/// # Errors
/// `Data` when it has more than 34 digits, or an exponent out of range.
pub(crate) fn decimal128(number: &Decimal) -> Result<[u8; 16]> {
    let refused = || {
        let message =
            "the decimal has more than 34 digits: MongoDB cannot hold it exactly; send it as text or round it";
        Error::data(message)
    };
    let (sign, magnitude) = (number.unscaled.sign(), number.unscaled.magnitude());
    let mut digits = magnitude.to_str_radix(10);
    let mut exponent = -i64::from(number.scale);
    if sign == Sign::NoSign {
        exponent = exponent.clamp(-BIAS, GREATEST);
    }
    while (digits.len() > DIGITS || exponent < -BIAS) && digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
        exponent += 1;
    }
    while exponent > GREATEST && digits.len() < DIGITS {
        digits.push('0');
        exponent -= 1;
    }
    if digits.len() > DIGITS || !(-BIAS..=GREATEST).contains(&exponent) {
        return Err(refused());
    }
    let coefficient: u128 = digits.parse().map_err(|_| refused())?;
    let exponent = u128::try_from(exponent + BIAS).map_err(|_| refused())?;
    let sign = u128::from(sign == Sign::Minus);
    Ok((sign << 127 | exponent << 113 | coefficient).to_le_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mongodb::bson::Decimal128;
    use num_bigint::BigInt;

    use super::*;

    fn text(unscaled: &str, scale: i32) -> String {
        let number = Decimal { unscaled: unscaled.parse::<BigInt>().unwrap(), scale };
        decimal128(&number).map_or_else(|_| "refused".to_owned(), |bytes| Decimal128::from_bytes(bytes).to_string())
    }

    #[test]
    fn a_decimal_keeps_its_digits_and_its_scale() {
        assert_eq!(text("12345", 2), "123.45");
        assert_eq!(text("-12345", 2), "-123.45");
        assert_eq!(text("1200", 2), "12.00");
        assert_eq!(text("0", 2), "0.00");
        assert_eq!(text("7", -3), "7E+3");
        assert_eq!(text(&"9".repeat(34), 34), format!("0.{}", "9".repeat(34)));
    }

    #[test]
    fn a_decimal_that_would_be_rounded_is_refused() {
        assert_eq!(text(&"9".repeat(35), 0), "refused");
        assert_eq!(text(&format!("1{}", "0".repeat(35)), 0), format!("1.{}E+35", "0".repeat(33)), "zeros are no loss");
        assert_eq!(text("1", 7000), "refused");
        assert_eq!(text("1", -6112), "1.0E+6112");
        assert_eq!(text("1", -7000), "refused");
    }
}
