//! Values of key columns: how they are stored, compared by the server, and shown.

use std::fmt;

use tiberius::ColumnData;
use tributary_api::{Error, Result};

use crate::sql::Parameter;
use crate::table::Column;
use crate::types::{
    date_text, datetime_ticks, days, decimal_text, small_datetime_ticks, time_text, time_ticks, timestamp_text,
    timestamp_ticks, zoned_text,
};

const TICKS_A_SECOND: i64 = 10_000_000;
const NANOS_A_TICK: u32 = 100;

/// A value of a key column; the variants are the Java classes that the JDBC driver returns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyPart {
    Null,
    Boolean(bool),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal {
        unscaled: i128,
        scale: i32,
    },
    /// Days since 1970.
    Date(i64),
    /// Seconds since 1970, and the nanoseconds within the second.
    Timestamp {
        seconds: i64,
        nanos: u32,
    },
}

impl KeyPart {
    /// # Errors
    /// For a type of which rows cannot be read in chunks.
    pub(crate) fn of(data: ColumnData<'static>, column: &Column) -> Result<Self> {
        let part = match data {
            ColumnData::Bit(value) => value.map(Self::Boolean),
            ColumnData::U8(value) => value.map(|value| Self::Short(value.into())),
            ColumnData::I16(value) => value.map(Self::Short),
            ColumnData::I32(value) => value.map(Self::Int),
            ColumnData::I64(value) => value.map(Self::Long),
            ColumnData::F32(value) => value.map(Self::Float),
            ColumnData::F64(value) => value.map(Self::Double),
            ColumnData::String(value) => value.map(|text| Self::Text(text.into_owned())),
            ColumnData::Guid(value) => value.map(|guid| Self::Text(guid.to_string().to_uppercase())),
            ColumnData::Binary(value) => value.map(|bytes| Self::Bytes(bytes.into_owned())),
            ColumnData::Numeric(value) => {
                value.map(|number| Self::Decimal { unscaled: number.value(), scale: number.scale().into() })
            }
            ColumnData::Date(value) => value.map(|date| Self::Date(days(date))),
            ColumnData::DateTime(value) => value.map(|time| Self::timestamp(datetime_ticks(time))),
            ColumnData::SmallDateTime(value) => value.map(|time| Self::timestamp(small_datetime_ticks(time))),
            ColumnData::DateTime2(value) => value.map(|time| Self::timestamp(timestamp_ticks(time))),
            // Stored as texts: for these, Debezium stores objects of its driver's classes.
            ColumnData::Time(value) => value.map(|time| Self::Text(time_text(time_ticks(time)))),
            ColumnData::DateTimeOffset(value) => value.map(|time| Self::Text(zoned_text(time))),
            _ => {
                let message = format!(
                    "rows cannot be read in chunks by {}, which is {}: name another column by surrogate-key",
                    column.name, column.type_name
                );
                return Err(Error::fatal(message));
            }
        };
        Ok(part.unwrap_or(Self::Null))
    }

    fn timestamp(ticks: i64) -> Self {
        let fraction = u32::try_from(ticks.rem_euclid(TICKS_A_SECOND)).unwrap_or(0);
        Self::Timestamp { seconds: ticks.div_euclid(TICKS_A_SECOND), nanos: fraction * NANOS_A_TICK }
    }

    /// The value as a parameter of a statement.
    pub(crate) fn parameter(&self) -> Parameter {
        match self {
            Self::Null => Parameter::Text(String::new()),
            Self::Boolean(value) => Parameter::Int((*value).into()),
            Self::Short(value) => Parameter::Int((*value).into()),
            Self::Int(value) => Parameter::Int(*value),
            Self::Long(value) => Parameter::Long(*value),
            Self::Float(value) => Parameter::Double((*value).into()),
            Self::Double(value) => Parameter::Double(*value),
            Self::Bytes(bytes) => Parameter::Bytes(bytes.clone()),
            other => Parameter::Text(other.to_string()),
        }
    }

    /// Whether both may be equal for the server, which ignores case and trailing blanks of some texts, and trailing zeros of
    /// bytes.
    pub(super) fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(_), Self::Text(_)) | (Self::Bytes(_), Self::Bytes(_)) => true,
            (one, other) => one == other,
        }
    }
}

/// The format of notifications, which the server can also read.
impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<null>"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Short(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Decimal { unscaled, scale } => f.write_str(&decimal_text(*unscaled, *scale)),
            Self::Date(days) => f.write_str(&date_text(*days)),
            Self::Timestamp { seconds, nanos } => {
                let ticks = seconds.saturating_mul(TICKS_A_SECOND).saturating_add((nanos / NANOS_A_TICK).into());
                f.write_str(&timestamp_text(ticks))
            }
        }
    }
}

/// A key as a list, as Java prints arrays.
pub(super) fn listed(key: &[KeyPart]) -> String {
    format!("[{}]", texts(key).join(", "))
}

/// The parts of a key with commas between them.
pub(super) fn shown(key: &[KeyPart]) -> String {
    texts(key).join(",")
}

/// The parts of a key as Java prints them.
fn texts(key: &[KeyPart]) -> Vec<String> {
    let part = |part: &KeyPart| match part {
        KeyPart::Float(value) => format!("{value:?}"),
        KeyPart::Double(value) => format!("{value:?}"),
        KeyPart::Timestamp { nanos, .. } => {
            let text = part.to_string().replacen('T', " ", 1);
            if *nanos == 0 { text + ".0" } else { text }
        }
        other => other.to_string(),
    };
    key.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn column(type_name: &str, length: i32, scale: Option<i32>) -> Column {
        Column { type_name: type_name.to_owned(), length, scale, ..Column::for_test("k") }
    }

    #[test]
    fn values_have_a_text_that_the_server_reads() {
        let text = |part: KeyPart| part.to_string();
        assert_eq!(text(KeyPart::Decimal { unscaled: -1234, scale: 2 }), "-12.34");
        assert_eq!(text(KeyPart::Date(19_756)), "2024-02-03");
        assert_eq!(
            text(KeyPart::Timestamp { seconds: 1_706_933_106, nanos: 123_456_700 }),
            "2024-02-03T04:05:06.1234567"
        );
        assert_eq!(shown(&[KeyPart::Int(1), KeyPart::Text("a".into()), KeyPart::Null]), "1,a,<null>");
        let moment = |nanos| KeyPart::Timestamp { seconds: 0, nanos };
        assert_eq!(
            shown(&[moment(0), moment(120_000_000), KeyPart::Double(100.0)]),
            "1970-01-01 00:00:00.0,1970-01-01 00:00:00.12,100.0"
        );
    }

    #[test]
    fn a_type_without_an_order_that_is_known_is_refused() {
        let error = KeyPart::of(ColumnData::Xml(None), &column("xml", 1, None)).unwrap_err();
        assert!(error.to_string().contains("surrogate-key"), "{error}");
        assert_eq!(KeyPart::of(ColumnData::I32(None), &column("int", 1, None)).unwrap(), KeyPart::Null);
    }
}
