//! How values lie in SQLite: each type in a form whose order SQLite can compare.

use rusqlite::types::{Value, ValueRef};

use super::calendar;
use super::variant;
use crate::data::{Date, DateTime, DateTimeOffset, Datum, Decimal, SmallDateTime, Time, Type};

/// A value as a column of its type stores it. Decimals must have the type's scale already.
pub(crate) fn to_sqlite(value: &Datum) -> Value {
    match value {
        Datum::Null => Value::Null,
        Datum::Bit(bit) => Value::Integer(i64::from(*bit)),
        Datum::TinyInt(number) => Value::Integer(i64::from(*number)),
        Datum::SmallInt(number) => Value::Integer(i64::from(*number)),
        Datum::Int(number) => Value::Integer(i64::from(*number)),
        Datum::BigInt(number) | Datum::Money(number) => Value::Integer(*number),
        Datum::Real(number) => Value::Real(f64::from(*number)),
        Datum::Float(number) => Value::Real(*number),
        Datum::Decimal(decimal) => Value::Blob(decimal_bytes(decimal.unscaled).to_vec()),
        Datum::Text(text) | Datum::Xml(text) => Value::Text(text.clone()),
        Datum::Bytes(bytes) => Value::Blob(bytes.clone()),
        Datum::Guid(bytes) => Value::Blob(guid_order(bytes).to_vec()),
        Datum::Date(date) => Value::Integer(i64::from(date.0)),
        Datum::Time(time) => Value::Integer(i64::try_from(time.0).unwrap_or(0)),
        Datum::DateTime(at) => Value::Integer(i64::from(at.days) * 25_920_000 + i64::from(at.ticks)),
        Datum::SmallDateTime(at) => Value::Integer(i64::from(at.days) * 1440 + i64::from(at.minutes)),
        Datum::DateTime2(at) => Value::Integer(calendar::ticks_of(*at)),
        Datum::DateTimeOffset(at) => Value::Blob(offset_bytes(*at).to_vec()),
        Datum::Variant(variant) => Value::Blob(variant::to_bytes(variant)),
    }
}

/// What a column of the type holds. A value in another form than the type's is null: nothing writes one.
pub(crate) fn from_sqlite(value: ValueRef<'_>, kind: &Type) -> Datum {
    match value {
        ValueRef::Null => Datum::Null,
        ValueRef::Integer(number) => integer(number, kind),
        ValueRef::Real(number) => real(number, kind),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            if *kind == Type::Xml { Datum::Xml(text) } else { Datum::Text(text) }
        }
        ValueRef::Blob(bytes) => blob(bytes, kind),
    }
}

fn integer(number: i64, kind: &Type) -> Datum {
    match kind {
        Type::Bit => Datum::Bit(number != 0),
        Type::TinyInt => u8::try_from(number).map_or(Datum::Null, Datum::TinyInt),
        Type::SmallInt => i16::try_from(number).map_or(Datum::Null, Datum::SmallInt),
        Type::Int => i32::try_from(number).map_or(Datum::Null, Datum::Int),
        Type::BigInt => Datum::BigInt(number),
        Type::Money | Type::SmallMoney => Datum::Money(number),
        Type::Date => i32::try_from(number).map_or(Datum::Null, |day| Datum::Date(Date(day))),
        Type::Time { .. } => u64::try_from(number).map_or(Datum::Null, |ticks| Datum::Time(Time(ticks))),
        Type::DateTime => datetime(number),
        Type::SmallDateTime => smalldatetime(number),
        Type::DateTime2 { .. } => calendar::from_ticks(number).map_or(Datum::Null, Datum::DateTime2),
        Type::Real | Type::Float => real(number as f64, kind),
        _ => Datum::Null,
    }
}

fn datetime(number: i64) -> Datum {
    let days = i32::try_from(number.div_euclid(25_920_000));
    let ticks = u32::try_from(number.rem_euclid(25_920_000));
    match (days, ticks) {
        (Ok(days), Ok(ticks)) => Datum::DateTime(DateTime { days, ticks }),
        _ => Datum::Null,
    }
}

fn smalldatetime(number: i64) -> Datum {
    match (u16::try_from(number.div_euclid(1440)), u16::try_from(number.rem_euclid(1440))) {
        (Ok(days), Ok(minutes)) => Datum::SmallDateTime(SmallDateTime { days, minutes }),
        _ => Datum::Null,
    }
}

fn real(number: f64, kind: &Type) -> Datum {
    match kind {
        Type::Real => Datum::Real(number as f32),
        Type::Float => Datum::Float(number),
        _ => Datum::Null,
    }
}

fn blob(bytes: &[u8], kind: &Type) -> Datum {
    match kind {
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => match bytes.try_into() {
            Ok(bytes) => Datum::Decimal(Decimal { unscaled: decimal_of(bytes), precision: *precision, scale: *scale }),
            Err(_) => Datum::Null,
        },
        Type::UniqueIdentifier => bytes.try_into().map_or(Datum::Null, |bytes| Datum::Guid(guid_of(&bytes))),
        Type::DateTimeOffset { .. } => offset_of(bytes).map_or(Datum::Null, Datum::DateTimeOffset),
        Type::Variant => variant::from_bytes(bytes).map_or(Datum::Null, |variant| Datum::Variant(Box::new(variant))),
        _ => Datum::Bytes(bytes.to_vec()),
    }
}

/// Big-endian with the sign bit turned over: bytes in the order of the numbers.
fn decimal_bytes(unscaled: i128) -> [u8; 16] {
    (unscaled.cast_unsigned() ^ (1 << 127)).to_be_bytes()
}

fn decimal_of(bytes: [u8; 16]) -> i128 {
    (u128::from_be_bytes(bytes) ^ (1 << 127)).cast_signed()
}

/// SQL Server compares the last six bytes first, then the groups before, as they lie in memory.
const GUID_ORDER: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];

/// A GUID's bytes as written, in the order in which SQL Server compares them. In memory the first three groups are
/// little-endian: byte 6 in memory is the written byte 7, and so on.
fn guid_order(written: &[u8; 16]) -> [u8; 16] {
    let memory = guid_memory(written);
    GUID_ORDER.map(|at| memory[at])
}

fn guid_of(ordered: &[u8; 16]) -> [u8; 16] {
    let mut memory = [0; 16];
    for (byte, at) in ordered.iter().zip(GUID_ORDER) {
        memory[at] = *byte;
    }
    guid_memory(&memory)
}

/// From written to memory order or back: the first three groups turned around.
pub(crate) fn guid_memory(bytes: &[u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

fn offset_bytes(at: DateTimeOffset) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&calendar::ticks_of(at.utc).to_be_bytes());
    bytes[8..].copy_from_slice(&(at.offset.cast_unsigned() ^ 0x8000).to_be_bytes());
    bytes
}

fn offset_of(bytes: &[u8]) -> Option<DateTimeOffset> {
    let (ticks, offset) = bytes.split_at_checked(8)?;
    let utc = calendar::from_ticks(i64::from_be_bytes(ticks.try_into().ok()?))?;
    let offset = (u16::from_be_bytes(offset.try_into().ok()?) ^ 0x8000).cast_signed();
    Some(DateTimeOffset { utc, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(value: &Datum, kind: &Type) -> Datum {
        let stored = to_sqlite(value);
        from_sqlite(ValueRef::from(&stored), kind)
    }

    #[test]
    fn values_come_back_as_they_went() {
        let decimal = |unscaled| Datum::Decimal(Decimal { unscaled, precision: 38, scale: 4 });
        let kind = Type::Decimal { precision: 38, scale: 4 };
        for unscaled in [0, 1, -1, i128::from(i64::MAX), 99_999_999_999_999_999_999_999_999_999_999_999_999] {
            assert_eq!(back(&decimal(unscaled), &kind), decimal(unscaled));
            assert_eq!(back(&decimal(-unscaled), &kind), decimal(-unscaled));
        }
        let guid = Datum::Guid(*b"0123456789abcdef");
        assert_eq!(back(&guid, &Type::UniqueIdentifier), guid);
        let before = Datum::DateTime(DateTime { days: -3, ticks: 299 });
        assert_eq!(back(&before, &Type::DateTime), before);
    }

    #[test]
    fn stored_decimals_compare_as_the_numbers_do() {
        let numbers = [-1000, -1, 0, 1, 1000];
        let stored = numbers.map(decimal_bytes);
        assert!(stored.is_sorted());
    }
}
