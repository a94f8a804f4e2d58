//! Any value as text, and what `CONVERT`'s styles change.

use super::calendar;
use super::number::{exact_text, general_text, scientific_text};
use super::time::{date_text, offset_text, styled, time_text};
use crate::data::{Datum, Time, Type};
use crate::sql::types::time_scale;

/// The text of a value of the type in a style; none when the style is not the type's.
pub(crate) fn format(value: &Datum, kind: &Type, style: Option<i32>) -> Option<String> {
    Some(match value {
        Datum::Null => String::new(),
        Datum::Bit(bit) => u8::from(*bit).to_string(),
        Datum::TinyInt(number) => number.to_string(),
        Datum::SmallInt(number) => number.to_string(),
        Datum::Int(number) => number.to_string(),
        Datum::BigInt(number) => number.to_string(),
        Datum::Real(number) => real_text(*number, style.unwrap_or(0))?,
        Datum::Float(number) => float_text(*number, style.unwrap_or(0))?,
        Datum::Decimal(decimal) => exact_text(decimal.unscaled, decimal.scale),
        Datum::Money(number) => money_text(*number, style.unwrap_or(0))?,
        Datum::Text(text) | Datum::Xml(text) => text.clone(),
        Datum::Bytes(bytes) => match style.unwrap_or(0) {
            1 => format!("0x{}", hex(bytes)),
            2 => hex(bytes),
            _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
        Datum::Guid(bytes) => guid_text(bytes),
        Datum::Date(date) => match style {
            None | Some(0) => date_text(*date),
            Some(style) => date_part(&styled(super::time::midnight(*date), 0, style)?, style),
        },
        Datum::Time(time) => match style {
            None => time_text(*time, time_scale(kind)),
            Some(style) => time_styled(*time, time_scale(kind), style)?,
        },
        Datum::DateTime(at) => {
            // Readers see milliseconds.
            let midnight = calendar::datetime_ticks(crate::data::DateTime { ticks: 0, ..*at });
            styled(midnight + calendar::datetime_millis(*at) * 10_000, 3, style.unwrap_or(0))?
        }
        Datum::SmallDateTime(at) => styled(calendar::smalldatetime_ticks(*at), 0, style.unwrap_or(0))?,
        Datum::DateTime2(at) => match style {
            None => format!("{} {}", date_text(at.date), time_text(at.time, time_scale(kind))),
            Some(style) => styled(calendar::ticks_of(*at), time_scale(kind), style)?,
        },
        Datum::DateTimeOffset(at) => {
            let local = calendar::ticks_of(at.utc) + i64::from(at.offset) * 60 * calendar::SECOND;
            match style {
                None | Some(21 | 25 | 121) => {
                    let local = calendar::from_ticks(local)?;
                    format!(
                        "{} {} {}",
                        date_text(local.date),
                        time_text(local.time, time_scale(kind)),
                        offset_text(at.offset)
                    )
                }
                Some(127) => format!("{}Z", styled(calendar::ticks_of(at.utc), time_scale(kind), 127)?),
                Some(126) => {
                    let local = calendar::from_ticks(local)?;
                    format!(
                        "{}T{}{}",
                        date_text(local.date),
                        time_text(local.time, time_scale(kind)),
                        offset_text(at.offset)
                    )
                }
                Some(style @ (0 | 100 | 9 | 109 | 13 | 113 | 20 | 120)) => {
                    format!("{} {}", styled(local, time_scale(kind), style)?, offset_text(at.offset))
                }
                Some(style) => styled(local, time_scale(kind), style)?,
            }
        }
        Datum::Variant(variant) => format(&variant.value, &variant.r#type, style)?,
    })
}

/// A date has no clock: of a style with both, the date.
fn date_part(text: &str, style: i32) -> String {
    match style {
        100 | 9 | 109 | 13 | 113 => text.get(..11).unwrap_or(text).to_owned(),
        20 | 21 | 25 | 120 | 121 | 126 | 127 => text.get(..10).unwrap_or(text).to_owned(),
        _ => text.to_owned(),
    }
}

fn time_styled(time: Time, scale: u8, style: i32) -> Option<String> {
    let plain = time_text(time, scale);
    Some(match style {
        8 | 24 | 108 | 20 | 120 => plain.get(..8)?.to_owned(),
        14 | 114 | 21 | 25 | 121 | 126 | 127 | 13 | 113 => plain,
        0 | 100 => {
            let full = styled(i64::try_from(time.0).ok()?, 0, 100)?;
            full.get(12..)?.trim_start().to_owned()
        }
        _ => return None,
    })
}

fn float_text(number: f64, style: i32) -> Option<String> {
    Some(match style {
        0 => general_text(number, 6),
        1 => scientific_text(number, 7),
        2 => scientific_text(number, 15),
        3 => scientific_text(number, 16),
        _ => return None,
    })
}

fn real_text(number: f32, style: i32) -> Option<String> {
    Some(match style {
        0 => general_text(f64::from(number), 6),
        1 => scientific_text(f64::from(number), 7),
        2 | 3 => scientific_text(f64::from(number), 8),
        _ => return None,
    })
}

fn money_text(number: i64, style: i32) -> Option<String> {
    let rounded = super::number::rescale(i128::from(number), 4, 2)?;
    Some(match style {
        0 => exact_text(rounded, 2),
        1 => {
            let text = exact_text(rounded, 2);
            let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
            let (whole, fraction) = digits.split_once('.')?;
            format!("{sign}{}.{fraction}", grouped(whole))
        }
        2 | 126 => exact_text(i128::from(number), 4),
        _ => return None,
    })
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// `6F9619FF-8B86-D011-B42D-00C04FC964FF`.
pub(crate) fn guid_text(bytes: &[u8; 16]) -> String {
    let all = hex(bytes);
    format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

pub(crate) fn parse_guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let bare = text.strip_prefix('{').map_or(Some(text), |rest| rest.get(..36))?;
    let start = bare.get(..36)?;
    let hyphens = [8, 13, 18, 23].iter().all(|at| start.as_bytes()[*at] == b'-');
    let digits: String = start.chars().filter(|c| *c != '-').collect();
    if !hyphens {
        return None;
    }
    parse_hex(&digits)?.try_into().ok()
}

pub(crate) fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 == 1 || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_two_digits_or_four() {
        assert_eq!(money_text(12_345_678_951, 0).as_deref(), Some("1234567.90"));
        assert_eq!(money_text(-12_345_678_900, 1).as_deref(), Some("-1,234,567.89"));
        assert_eq!(money_text(i64::MAX, 2).as_deref(), Some("922337203685477.5807"));
    }

    #[test]
    fn guids_go_both_ways() {
        let text = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
        assert_eq!(guid_text(&parse_guid(text).unwrap()), text);
        assert_eq!(parse_guid("6F9619FF8B86D011B42D00C04FC964FF"), None);
    }
}
