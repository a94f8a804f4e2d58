//! Values as text, the way Java's `toString` writes them: what `StringConverter`, the file sink and messages show.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::time::civil_date;
use crate::{Decimal, Struct, Value};

const DAY_MS: i64 = 86_400_000;

/// As Java's `toString`, with two differences: bytes are base64 (Java prints the address of the array) and dates are
/// always in UTC.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Int8(number) => number.fmt(f),
            Self::Int16(number) => number.fmt(f),
            Self::Int32(number) => number.fmt(f),
            Self::Int64(number) => number.fmt(f),
            Self::Float32(number) if number.is_subnormal() => subnormal(f, number, |text| text.parse() == Ok(*number)),
            Self::Float64(number) if number.is_subnormal() => subnormal(f, number, |text| text.parse() == Ok(*number)),
            Self::Float32(number) => float(f, number.is_finite(), f64::from(*number), number),
            Self::Float64(number) => float(f, number.is_finite(), *number, number),
            Self::String(text) => f.write_str(text),
            Self::Bytes(bytes) => Base64Display::new(bytes, &BASE64).fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Date(days) => instant(f, i64::from(*days) * DAY_MS),
            Self::Time(millis) => instant(f, i64::from(*millis)),
            Self::Timestamp(millis) => instant(f, *millis),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write!(f, "{key}={value}")?;
                }
                f.write_str("}")
            }
            Self::Struct(object) => object.fmt(f),
        }
    }
}

/// Fields without a value are left out.
impl fmt::Display for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Struct{")?;
        for (index, (name, value)) in self.iter().filter(|(_, value)| !value.is_null()).enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            write!(f, "{name}={value}")?;
        }
        f.write_str("}")
    }
}

/// As `BigDecimal.toString`: plain down to six zeros after the point, else with an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.magnitude().to_string();
        let (length, scale) = (digits.len() as i64, i64::from(self.scale));
        f.write_str(if self.unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" })?;
        let exponent = length - 1 - scale;
        if scale == 0 {
            f.write_str(&digits)
        } else if scale > 0 && exponent >= -6 {
            let whole = usize::try_from(length - scale).unwrap_or(0);
            let zeros = usize::try_from(scale - length).unwrap_or(0);
            let before = if whole == 0 { "0" } else { &digits[..whole] };
            write!(f, "{before}.{:0<zeros$}{}", "", &digits[whole..])
        } else {
            f.write_str(&digits[..1])?;
            if length > 1 {
                write!(f, ".{}", &digits[1..])?;
            }
            if exponent == 0 { Ok(()) } else { write!(f, "E{exponent:+}") }
        }
    }
}

/// Between 10^-3 and 10^7 plain, else with an exponent; always with a digit after the point.
fn float(
    f: &mut fmt::Formatter<'_>,
    finite: bool,
    wide: f64,
    number: &(impl fmt::Debug + fmt::UpperExp),
) -> fmt::Result {
    let magnitude = wide.abs();
    if !finite {
        let sign = if wide < 0.0 { "-" } else { "" };
        return if wide.is_nan() { f.write_str("NaN") } else { write!(f, "{sign}Infinity") };
    }
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return write!(f, "{number:?}");
    }
    scientific(f, &format!("{number:E}"))
}

/// Always with a digit after the point.
fn scientific(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => write!(f, "{digits}.0E{exponent}"),
        _ => f.write_str(text),
    }
}

/// The smallest numbers have so few bits that of two digits not only one pair means the number. Java prints the nearest
/// pair: 4.9E-324, where one digit would be enough to read 5E-324 back.
fn subnormal(
    f: &mut fmt::Formatter<'_>,
    number: &impl fmt::UpperExp,
    is_the_number: impl Fn(&str) -> bool,
) -> fmt::Result {
    let shortest = format!("{number:E}");
    let nearest = format!("{number:.1E}");
    let one_digit = !shortest.contains('.');
    scientific(f, if one_digit && is_the_number(&nearest) { &nearest } else { &shortest })
}

/// As `java.util.Date.toString` in UTC.
fn instant(f: &mut fmt::Formatter<'_>, millis: i64) -> fmt::Result {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS) / 1000);
    let (year, month, day) = civil_date(days);
    let weekday = DAYS[days.rem_euclid(7) as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(f, "{weekday} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}", MONTHS[month as usize - 1])
}
