//! `sql_variant` as it is stored: the type as text, a zero byte, the value's own form.

use rusqlite::types::{Value, ValueRef};

use super::encode;
use crate::data::Variant;
use crate::sql::types;

const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

pub(super) fn to_bytes(variant: &Variant) -> Vec<u8> {
    let mut bytes = types::full_text(&variant.r#type).into_bytes();
    bytes.push(0);
    match encode::to_sqlite(&variant.value) {
        Value::Null => {}
        Value::Integer(number) => {
            bytes.push(INTEGER);
            bytes.extend(number.to_be_bytes());
        }
        Value::Real(number) => {
            bytes.push(REAL);
            bytes.extend(number.to_be_bytes());
        }
        Value::Text(text) => {
            bytes.push(TEXT);
            bytes.extend(text.into_bytes());
        }
        Value::Blob(blob) => {
            bytes.push(BLOB);
            bytes.extend(blob);
        }
    }
    bytes
}

pub(super) fn from_bytes(bytes: &[u8]) -> Option<Variant> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let kind = types::from_full_text(std::str::from_utf8(&bytes[..end]).ok()?)?;
    let (form, payload) = bytes.get(end + 1..)?.split_first()?;
    let value = match *form {
        INTEGER => ValueRef::Integer(i64::from_be_bytes(payload.try_into().ok()?)),
        REAL => ValueRef::Real(f64::from_be_bytes(payload.try_into().ok()?)),
        TEXT => ValueRef::Text(payload),
        _ => ValueRef::Blob(payload),
    };
    let value = encode::from_sqlite(value, &kind);
    Some(Variant { r#type: kind, value })
}
