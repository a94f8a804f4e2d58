use jiff::Timestamp;
use mongodb::bson::spec::ElementType;
use tributary_api::time::now_ms;
use tributary_api::{Error, Result};

use super::cursor::{Cursor, Number};
use super::{dates, extended};
use crate::mapping::encoder::Encoder;

/// Reads the call of a constructor after its name. `false`, and nothing is taken: there is none of that name.
pub(super) fn call(class: &str, cursor: &mut Cursor<'_>, out: &mut Encoder) -> Result<bool> {
    match class {
        "MinKey" | "MaxKey" => {
            if cursor.take(b'(') {
                cursor.expect(b')')?;
            }
            out.value(if class == "MinKey" { ElementType::MinKey } else { ElementType::MaxKey }, &[]);
        }
        "ObjectId" => out.object_id(arguments(cursor, |cursor| extended::object_id(&cursor.string()?))?),
        "ISODate" => {
            let date = arguments(cursor, |cursor| match cursor.peek() {
                b')' => Ok(now_ms()),
                _ => dates::parse(&cursor.string()?),
            })?;
            out.date(date);
        }
        "NumberInt" => {
            let number = arguments(cursor, whole)?;
            let number = i32::try_from(number);
            out.int32(number.map_err(|_| cursor.error("a number of 32 bits before"))?);
        }
        "NumberLong" => out.int64(arguments(cursor, whole)?),
        "NumberDecimal" => out.decimal(arguments(cursor, |cursor| match cursor.peek() {
            b'"' | b'\'' => extended::decimal(&cursor.string()?),
            _ => {
                let text = cursor.number_text()?;
                let double = |text: &str| text.parse().ok().map(|number: f64| number.to_string());
                let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                extended::decimal(&double(text).filter(|_| !whole).unwrap_or_else(|| text.to_owned()))
            }
        })?),
        "BinData" => {
            let (subtype, bytes) = arguments(cursor, |cursor| {
                let subtype = subtype(cursor)?;
                cursor.expect(b',')?;
                Ok((subtype, extended::base64(&cursor.name()?)?))
            })?;
            out.binary(subtype, &bytes);
        }
        "HexData" => {
            let (subtype, bytes) = arguments(cursor, |cursor| {
                let subtype = subtype(cursor)?;
                cursor.expect(b',')?;
                let digits = cursor.string()?;
                Ok((subtype, if digits.len() % 2 == 0 { hex(&digits)? } else { hex(&format!("0{digits}"))? }))
            })?;
            let known = matches!(subtype, 0..=6 | 0x80);
            out.binary(if known { subtype } else { 0 }, &bytes);
        }
        "UUID" => {
            let bytes = arguments(cursor, |cursor| hex(&cursor.string()?.replace('-', "")))?;
            out.binary(4, &bytes);
        }
        "Timestamp" => {
            let (time, increment) = arguments(cursor, |cursor| {
                let time = int(cursor)?;
                cursor.expect(b',')?;
                Ok((time, int(cursor)?))
            })?;
            out.timestamp(time.cast_unsigned(), increment.cast_unsigned());
        }
        "RegExp" => {
            let (pattern, options) = arguments(cursor, |cursor| {
                let pattern = cursor.string()?;
                Ok((pattern, if cursor.take(b',') { cursor.string()? } else { "".into() }))
            })?;
            out.regex(&pattern, &options)?;
        }
        "DBPointer" => {
            let (namespace, id) = arguments(cursor, |cursor| {
                let namespace = cursor.string()?;
                cursor.expect(b',')?;
                Ok((namespace, extended::object_id(&cursor.string()?)?))
            })?;
            out.pointer(&namespace, id);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `new Date(…)`: now, milliseconds, a text such as `Thu Jan 01 1970 00:00:00 UTC`, or year, month from 0, day and so on.
pub(super) fn date(cursor: &mut Cursor<'_>) -> Result<i64> {
    arguments(cursor, |cursor| match cursor.peek() {
        b')' => Ok(now_ms()),
        b'"' | b'\'' => dates::parse_spoken(&cursor.string()?),
        _ => {
            let mut parts = vec![whole(cursor)?];
            while cursor.take(b',') {
                let part = whole(cursor)?;
                // What follows the milliseconds is not looked at, as in Java.
                if parts.len() < 7 {
                    parts.push(part);
                }
            }
            match parts[..] {
                [milliseconds] => Ok(milliseconds),
                [_, _] => Err(cursor.error("the day of the month")),
                _ => dates::of_parts(&parts),
            }
        }
    })
}

/// `Date(…)` without `new`: whatever it is given, the time now as text.
pub(super) fn date_text(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.expect(b'(')?;
    while !cursor.take(b')') {
        match cursor.peek() {
            b'"' | b'\'' => drop(cursor.string()?),
            b',' => cursor.expect(b',')?,
            b'-' | b'0'..=b'9' => drop(cursor.number()?),
            _ => drop(cursor.name()?),
        }
    }
    Ok(Timestamp::now().strftime("%a %b %d %Y %H:%M:%S UTC").to_string())
}

fn arguments<'t, T>(cursor: &mut Cursor<'t>, read: impl FnOnce(&mut Cursor<'t>) -> Result<T>) -> Result<T> {
    cursor.expect(b'(')?;
    let value = read(cursor)?;
    cursor.expect(b')')?;
    Ok(value)
}

/// A whole number, in quotes or not.
fn whole(cursor: &mut Cursor<'_>) -> Result<i64> {
    let quoted = matches!(cursor.peek(), b'"' | b'\'');
    let number = if quoted { cursor.string()?.parse().ok() } else { number(cursor)? };
    number.ok_or_else(|| cursor.error("a whole number before"))
}

fn number(cursor: &mut Cursor<'_>) -> Result<Option<i64>> {
    Ok(match cursor.number()? {
        Number::Whole(number) => Some(number),
        Number::Double(_) => None,
    })
}

fn int(cursor: &mut Cursor<'_>) -> Result<i32> {
    number(cursor)?
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| cursor.error("a number of 32 bits before"))
}

fn subtype(cursor: &mut Cursor<'_>) -> Result<u8> {
    Ok(int(cursor)?.to_le_bytes()[0])
}

fn hex(digits: &str) -> Result<Vec<u8>> {
    let wrong = || Error::data(format!("not valid JSON: {digits:?} is not an even number of hexadecimal digits"));
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>().ok_or_else(wrong)
}
