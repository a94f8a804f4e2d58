//! Values as the protocol writes them, in a row, as an output parameter, or in a variant.

use crate::data::{Collation, DateTime2, Datum, Decimal, Length, Time, Type, Variant};

use super::{
    super::{bytes::put_utf16, seed::Seed},
    MAX, decimal_bytes, ticks_in_unit, time_bytes, token,
};

/// The value is not of its column's type, or longer than it: the engine's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Mismatch;

const NO_TEXT: u64 = u64::MAX;
const UNKNOWN_LENGTH: u64 = u64::MAX - 1;

/// Appends a value of the type.
///
/// `seed` decides in how many parts a large value is cut and whether its length is announced: a client has to take it
/// in any. `in_row`: text, ntext and image carry a pointer in a row, and none in a parameter.
pub(in crate::wire) fn put_value(
    out: &mut Vec<u8>,
    r#type: &Type,
    nullable: bool,
    value: &Datum,
    seed: &mut Seed,
    in_row: bool,
) -> Result<(), Mismatch> {
    if *value == Datum::Null {
        return put_null(out, r#type, nullable, in_row);
    }
    match (r#type, value) {
        (Type::Bit, Datum::Bit(bit)) => put_fixed(out, nullable, &[u8::from(*bit)]),
        (Type::TinyInt, Datum::TinyInt(int)) => put_fixed(out, nullable, &[*int]),
        (Type::SmallInt, Datum::SmallInt(int)) => put_fixed(out, nullable, &int.to_le_bytes()),
        (Type::Int, Datum::Int(int)) => put_fixed(out, nullable, &int.to_le_bytes()),
        (Type::BigInt, Datum::BigInt(int)) => put_fixed(out, nullable, &int.to_le_bytes()),
        (Type::Real, Datum::Real(real)) => put_fixed(out, nullable, &real.to_le_bytes()),
        (Type::Float, Datum::Float(float)) => put_fixed(out, nullable, &float.to_le_bytes()),
        (Type::SmallMoney, Datum::Money(units)) => put_fixed(out, nullable, &small_money(*units)?),
        (Type::Money, Datum::Money(units)) => put_fixed(out, nullable, &money(*units)),
        (Type::SmallDateTime, Datum::SmallDateTime(at)) => {
            let [[a, b], [c, d]] = [at.days.to_le_bytes(), at.minutes.to_le_bytes()];
            put_fixed(out, nullable, &[a, b, c, d]);
        }
        (Type::DateTime, Datum::DateTime(at)) => {
            put_fixed(out, nullable, &datetime(at.days, at.ticks));
        }
        (Type::Decimal { precision, scale } | Type::Numeric { precision, scale }, Datum::Decimal(decimal)) => {
            put_decimal(out, *precision, *scale, decimal)?;
        }
        (Type::UniqueIdentifier, Datum::Guid(guid)) => {
            out.push(16);
            out.extend_from_slice(&mixed_endian(*guid));
        }
        (Type::Date, Datum::Date(date)) => {
            out.push(3);
            put_date(out, date.0);
        }
        (Type::Time { scale }, Datum::Time(time)) => {
            out.push(time_bytes(*scale));
            put_time(out, *scale, *time);
        }
        (Type::DateTime2 { scale }, Datum::DateTime2(at)) => {
            out.push(time_bytes(*scale) + 3);
            put_datetime2(out, *scale, at);
        }
        (Type::DateTimeOffset { scale }, Datum::DateTimeOffset(at)) => {
            out.push(time_bytes(*scale) + 5);
            put_datetime2(out, *scale, &at.utc);
            out.extend_from_slice(&at.offset.to_le_bytes());
        }
        (Type::Variant, Datum::Variant(variant)) => put_variant(out, variant)?,
        _ => return put_long(out, r#type, value, seed, in_row),
    }
    Ok(())
}

/// Values that have no fixed length: text and bytes.
fn put_long(out: &mut Vec<u8>, r#type: &Type, value: &Datum, seed: &mut Seed, in_row: bool) -> Result<(), Mismatch> {
    match (r#type, value) {
        (Type::Char { length, collation }, Datum::Text(text)) => {
            put_counted(out, *length, |out| put_encoded(out, text, *collation))
        }
        (Type::VarChar { length: Length::Limited(length), collation }, Datum::Text(text)) => {
            put_counted(out, *length, |out| put_encoded(out, text, *collation))
        }
        (Type::NChar { length, .. } | Type::NVarChar { length: Length::Limited(length), .. }, Datum::Text(text)) => {
            put_counted(out, length.saturating_mul(2), |out| put_utf16(out, text))
        }
        (Type::Binary { length } | Type::VarBinary { length: Length::Limited(length) }, Datum::Bytes(bytes)) => {
            put_counted(out, *length, |out| out.extend_from_slice(bytes))
        }
        (Type::RowVersion, Datum::Bytes(bytes)) => put_counted(out, 8, |out| out.extend_from_slice(bytes)),
        (Type::VarChar { length: Length::Max, collation }, Datum::Text(text)) => {
            put_parts(out, &encoded(text, *collation), seed);
            Ok(())
        }
        (Type::NVarChar { length: Length::Max, .. }, Datum::Text(text)) | (Type::Xml, Datum::Xml(text)) => {
            put_parts(out, &wide(text), seed);
            Ok(())
        }
        (Type::VarBinary { length: Length::Max } | Type::Udt(_), Datum::Bytes(bytes)) => {
            put_parts(out, bytes, seed);
            Ok(())
        }
        (Type::Text { collation }, Datum::Text(text)) => put_large(out, &encoded(text, *collation), in_row),
        (Type::NText { .. }, Datum::Text(text)) => put_large(out, &wide(text), in_row),
        (Type::Image, Datum::Bytes(bytes)) => put_large(out, bytes, in_row),
        _ => Err(Mismatch),
    }
}

fn put_null(out: &mut Vec<u8>, r#type: &Type, nullable: bool, in_row: bool) -> Result<(), Mismatch> {
    match r#type {
        short if short.has_short_length() => out.extend_from_slice(&MAX.to_le_bytes()),
        partial if partial.is_partial() => out.extend_from_slice(&NO_TEXT.to_le_bytes()),
        Type::Variant => out.extend_from_slice(&[0; 4]),
        large if large.is_legacy_large() && !in_row => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        Type::Bit
        | Type::TinyInt
        | Type::SmallInt
        | Type::Int
        | Type::BigInt
        | Type::Real
        | Type::Float
        | Type::SmallMoney
        | Type::Money
        | Type::SmallDateTime
        | Type::DateTime
            if !nullable =>
        {
            return Err(Mismatch);
        }
        _ => out.push(0),
    }
    Ok(())
}

fn put_fixed(out: &mut Vec<u8>, nullable: bool, bytes: &[u8]) {
    if nullable {
        out.push(bytes.len() as u8);
    }
    out.extend_from_slice(bytes);
}

fn small_money(units: i64) -> Result<[u8; 4], Mismatch> {
    i32::try_from(units).map(i32::to_le_bytes).map_err(|_| Mismatch)
}

/// The high half first, each half little-endian.
fn money(units: i64) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h] = units.to_le_bytes();
    [e, f, g, h, a, b, c, d]
}

fn datetime(days: i32, ticks: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&days.to_le_bytes());
    bytes[4..].copy_from_slice(&ticks.to_le_bytes());
    bytes
}

fn put_decimal(out: &mut Vec<u8>, precision: u8, scale: u8, decimal: &Decimal) -> Result<(), Mismatch> {
    let magnitude = decimal.unscaled.unsigned_abs().to_le_bytes();
    let length = decimal_bytes(precision);
    let (kept, cut) = magnitude.split_at(usize::from(length) - 1);
    if decimal.scale != scale || cut.iter().any(|byte| *byte != 0) {
        return Err(Mismatch);
    }
    out.extend_from_slice(&[length, u8::from(decimal.unscaled >= 0)]);
    out.extend_from_slice(kept);
    Ok(())
}

/// The first three parts little-endian, the others as they are read.
pub(super) fn mixed_endian(guid: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = guid;
    let mut mixed = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    mixed[8..].copy_from_slice(&rest);
    mixed
}

fn put_date(out: &mut Vec<u8>, days: i32) {
    out.extend_from_slice(&days.to_le_bytes()[..3]);
}

fn put_time(out: &mut Vec<u8>, scale: u8, time: Time) {
    let units = time.0 / ticks_in_unit(scale);
    out.extend_from_slice(&units.to_le_bytes()[..usize::from(time_bytes(scale))]);
}

fn put_datetime2(out: &mut Vec<u8>, scale: u8, at: &DateTime2) {
    put_time(out, scale, at.time);
    put_date(out, at.date.0);
}

/// A value with its length in two bytes before it, of at most `limit` bytes.
fn put_counted(out: &mut Vec<u8>, limit: u16, part: impl FnOnce(&mut Vec<u8>)) -> Result<(), Mismatch> {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    part(out);
    let length = out.len() - at - 2;
    if length > usize::from(limit) {
        return Err(Mismatch);
    }
    out[at..at + 2].copy_from_slice(&(length as u16).to_le_bytes());
    Ok(())
}

/// A `max` value, cut into parts.
fn put_parts(out: &mut Vec<u8>, bytes: &[u8], seed: &mut Seed) {
    let announced = if seed.one_in(4) { UNKNOWN_LENGTH } else { bytes.len() as u64 };
    out.extend_from_slice(&announced.to_le_bytes());
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = if seed.one_in(2) { rest.len() } else { seed.up_to(rest.len() - 1) + 1 };
        let (part, after) = rest.split_at(length);
        out.extend_from_slice(&(part.len() as u32).to_le_bytes());
        out.extend_from_slice(part);
        rest = after;
    }
    out.extend_from_slice(&[0; 4]);
}

/// text, ntext and image: a pointer and a timestamp, which mean nothing to clients, then the value.
fn put_large(out: &mut Vec<u8>, bytes: &[u8], in_row: bool) -> Result<(), Mismatch> {
    let length = u32::try_from(bytes.len()).map_err(|_| Mismatch)?;
    if in_row {
        out.push(16);
        out.extend_from_slice(b"standin pointer\0");
        out.extend_from_slice(b"standin\0");
    }
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn wide(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 2);
    put_utf16(&mut bytes, text);
    bytes
}

fn encoded(text: &str, collation: Collation) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    put_encoded(&mut bytes, text, collation);
    bytes
}

/// Text in the collation's code page; what it does not have becomes a question mark, as the server does it.
pub(super) fn put_encoded(out: &mut Vec<u8>, text: &str, collation: Collation) {
    if collation.is_utf8() || text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut encoder = collation.encoding().new_encoder();
    let mut rest = text;
    let mut part = [0; 512];
    loop {
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut part, true);
        out.extend_from_slice(&part[..written]);
        rest = &rest[read..];
        match result {
            encoding_rs::EncoderResult::InputEmpty => return,
            encoding_rs::EncoderResult::OutputFull => {}
            encoding_rs::EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

/// A variant: its length, the type, the properties of the type, and the value without a length of its own.
fn put_variant(out: &mut Vec<u8>, variant: &Variant) -> Result<(), Mismatch> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    match (&variant.r#type, &variant.value) {
        (Type::Bit, Datum::Bit(bit)) => out.extend_from_slice(&[token::BIT, 0, u8::from(*bit)]),
        (Type::TinyInt, Datum::TinyInt(int)) => out.extend_from_slice(&[token::INT1, 0, *int]),
        (Type::SmallInt, Datum::SmallInt(int)) => put_plain(out, token::INT2, &int.to_le_bytes()),
        (Type::Int, Datum::Int(int)) => put_plain(out, token::INT4, &int.to_le_bytes()),
        (Type::BigInt, Datum::BigInt(int)) => put_plain(out, token::INT8, &int.to_le_bytes()),
        (Type::Real, Datum::Real(real)) => put_plain(out, token::FLOAT4, &real.to_le_bytes()),
        (Type::Float, Datum::Float(float)) => put_plain(out, token::FLOAT8, &float.to_le_bytes()),
        (Type::SmallMoney, Datum::Money(units)) => put_plain(out, token::MONEY4, &small_money(*units)?),
        (Type::Money, Datum::Money(units)) => put_plain(out, token::MONEY, &money(*units)),
        (Type::DateTime, Datum::DateTime(at)) => put_plain(out, token::DATETIME, &datetime(at.days, at.ticks)),
        (Type::SmallDateTime, Datum::SmallDateTime(at)) => {
            put_plain(out, token::DATETIME4, &[at.days.to_le_bytes(), at.minutes.to_le_bytes()].concat());
        }
        (Type::UniqueIdentifier, Datum::Guid(guid)) => put_plain(out, token::GUID, &mixed_endian(*guid)),
        (Type::Decimal { precision, scale } | Type::Numeric { precision, scale }, Datum::Decimal(decimal)) => {
            let token =
                if matches!(variant.r#type, Type::Decimal { .. }) { token::DECIMAL_N } else { token::NUMERIC_N };
            out.extend_from_slice(&[token, 2, *precision, *scale]);
            let mut value = Vec::new();
            put_decimal(&mut value, *precision, *scale, decimal)?;
            out.extend_from_slice(&value[1..]);
        }
        (Type::Date, Datum::Date(date)) => {
            out.extend_from_slice(&[token::DATE, 0]);
            put_date(out, date.0);
        }
        (Type::Time { scale }, Datum::Time(time)) => {
            out.extend_from_slice(&[token::TIME, 1, *scale]);
            put_time(out, *scale, *time);
        }
        (Type::DateTime2 { scale }, Datum::DateTime2(at)) => {
            out.extend_from_slice(&[token::DATETIME2, 1, *scale]);
            put_datetime2(out, *scale, at);
        }
        (Type::DateTimeOffset { scale }, Datum::DateTimeOffset(at)) => {
            out.extend_from_slice(&[token::DATETIME_OFFSET, 1, *scale]);
            put_datetime2(out, *scale, &at.utc);
            out.extend_from_slice(&at.offset.to_le_bytes());
        }
        (Type::Binary { length }, Datum::Bytes(bytes)) => put_variant_bytes(out, token::BINARY, *length, bytes),
        (Type::VarBinary { length: Length::Limited(length) }, Datum::Bytes(bytes)) => {
            put_variant_bytes(out, token::VARBINARY, *length, bytes);
        }
        (Type::Char { length, collation }, Datum::Text(text)) => {
            put_variant_text(out, token::CHAR, *length, *collation);
            put_encoded(out, text, *collation);
        }
        (Type::VarChar { length: Length::Limited(length), collation }, Datum::Text(text)) => {
            put_variant_text(out, token::VARCHAR, *length, *collation);
            put_encoded(out, text, *collation);
        }
        (Type::NChar { length, collation }, Datum::Text(text)) => {
            put_variant_text(out, token::NCHAR, length * 2, *collation);
            put_utf16(out, text);
        }
        (Type::NVarChar { length: Length::Limited(length), collation }, Datum::Text(text)) => {
            put_variant_text(out, token::NVARCHAR, length * 2, *collation);
            put_utf16(out, text);
        }
        _ => return Err(Mismatch),
    }
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn put_plain(out: &mut Vec<u8>, token: u8, bytes: &[u8]) {
    out.extend_from_slice(&[token, 0]);
    out.extend_from_slice(bytes);
}

fn put_variant_bytes(out: &mut Vec<u8>, token: u8, length: u16, bytes: &[u8]) {
    out.extend_from_slice(&[token, 2]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_variant_text(out: &mut Vec<u8>, token: u8, length: u16, collation: Collation) {
    out.extend_from_slice(&[token, 7]);
    out.extend_from_slice(&collation.to_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}
