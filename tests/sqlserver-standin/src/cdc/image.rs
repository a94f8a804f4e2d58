//! How a row is stored in the log: its columns by `column_id`, as SQLite stores them, each with what capturing must know of
//! it. Columns may be added, dropped and changed before the record is read.

use rusqlite::types::Value;

use super::Layout;
use crate::data::{Datum, Length, SqlError, Type};

/// What capturing does with a column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    /// `text`, `ntext`, `image`: only the new value is in the log.
    LegacyLarge,
    /// `max` types and xml: the old value is in the log only if it was changed.
    Large,
    /// Not in the log at all.
    Computed,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) column_id: i32,
    pub(super) class: Class,
    pub(super) value: Value,
}

impl Class {
    pub(super) fn of(r#type: &Type, computed: bool) -> Class {
        match r#type {
            _ if computed => Class::Computed,
            Type::Text { .. } | Type::NText { .. } | Type::Image => Class::LegacyLarge,
            Type::VarChar { length: Length::Max, .. }
            | Type::NVarChar { length: Length::Max, .. }
            | Type::VarBinary { length: Length::Max }
            | Type::Xml => Class::Large,
            _ => Class::Plain,
        }
    }

    fn code(self) -> u8 {
        match self {
            Class::Plain => 0,
            Class::LegacyLarge => 1,
            Class::Large => 2,
            Class::Computed => 3,
        }
    }

    fn from_code(code: u8) -> Option<Class> {
        [Class::Plain, Class::LegacyLarge, Class::Large, Class::Computed].into_iter().find(|c| c.code() == code)
    }
}

/// A row as bytes, to be read by [`decode`].
pub(super) fn encode(layout: &Layout, row: &[Datum]) -> Result<Vec<u8>, SqlError> {
    if row.len() != layout.columns.len() {
        return Err(damaged("a row has not as many values as its table has columns"));
    }
    let mut out = Vec::with_capacity(row.len() * 16);
    for (column, datum) in layout.columns.iter().zip(row) {
        let class = Class::of(&column.r#type, column.computed);
        out.extend_from_slice(&column.column_id.to_le_bytes());
        let value = if class == Class::Computed { Value::Null } else { crate::sql::value::encode::to_sqlite(datum) };
        match value {
            Value::Null => out.push(class.code() << 4),
            Value::Integer(n) => {
                out.push(class.code() << 4 | 1);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Value::Real(n) => {
                out.push(class.code() << 4 | 2);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Value::Text(text) => append(&mut out, class.code() << 4 | 3, text.as_bytes())?,
            Value::Blob(bytes) => append(&mut out, class.code() << 4 | 4, &bytes)?,
        }
    }
    Ok(out)
}

fn append(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) -> Result<(), SqlError> {
    let length = u32::try_from(bytes.len()).map_err(|_| damaged("a value is longer than 2 GB"))?;
    out.push(tag);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<Field>, SqlError> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let column_id = i32::from_le_bytes(take(&mut bytes)?);
        let [tag] = take(&mut bytes)?;
        let class = Class::from_code(tag >> 4).ok_or_else(|| damaged("a value's class is unknown"))?;
        let value = match tag & 0xf {
            0 => Value::Null,
            1 => Value::Integer(i64::from_le_bytes(take(&mut bytes)?)),
            2 => Value::Real(f64::from_le_bytes(take(&mut bytes)?)),
            3 => Value::Text(
                String::from_utf8(take_long(&mut bytes)?.to_vec()).map_err(|_| damaged("a text is not UTF-8"))?,
            ),
            4 => Value::Blob(take_long(&mut bytes)?.to_vec()),
            _ => return Err(damaged("a value's kind is unknown")),
        };
        fields.push(Field { column_id, class, value });
    }
    Ok(fields)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SqlError> {
    let (head, rest) = bytes.split_first_chunk().ok_or_else(|| damaged("a row ends too soon"))?;
    *bytes = rest;
    Ok(*head)
}

fn take_long<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], SqlError> {
    let length = usize::try_from(u32::from_le_bytes(take(bytes)?)).unwrap_or(usize::MAX);
    let (head, rest) = bytes.split_at_checked(length).ok_or_else(|| damaged("a row ends too soon"))?;
    *bytes = rest;
    Ok(head)
}

fn damaged(why: &str) -> SqlError {
    SqlError::new(9004, 21, 1, format!("An error occurred while processing the log for the database: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdc::LayoutColumn;

    fn layout(types: &[(Type, bool)]) -> Layout {
        let column = |(at, (r#type, computed)): (usize, &(Type, bool))| LayoutColumn {
            column_id: i32::try_from(at * 3 + 1).unwrap(),
            name: format!("c{at}"),
            r#type: r#type.clone(),
            computed: *computed,
        };
        Layout { object_id: 1, columns: types.iter().enumerate().map(column).collect(), unique_keys: Vec::new() }
    }

    #[test]
    fn a_row_comes_back_as_it_was_without_its_computed_values() {
        let layout = layout(&[
            (Type::Int, false),
            (Type::VarBinary { length: Length::Max }, false),
            (Type::Image, false),
            (Type::Int, true),
            (Type::Float, false),
        ]);
        let row = [Datum::Int(-5), Datum::Bytes(vec![1, 2]), Datum::Null, Datum::Int(9), Datum::Float(1.5)];
        let fields = decode(&encode(&layout, &row).unwrap()).unwrap();
        let expected = [
            (1, Class::Plain, Value::Integer(-5)),
            (4, Class::Large, Value::Blob(vec![1, 2])),
            (7, Class::LegacyLarge, Value::Null),
            (10, Class::Computed, Value::Null),
            (13, Class::Plain, Value::Real(1.5)),
        ];
        assert_eq!(fields, expected.map(|(column_id, class, value)| Field { column_id, class, value }));
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        let bytes = encode(&layout(&[(Type::Int, false)]), &[Datum::Int(5)]).unwrap();
        for length in 1..bytes.len() {
            assert!(decode(&bytes[..length]).is_err());
        }
    }
}
