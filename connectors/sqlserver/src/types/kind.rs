use tributary_api::{Schema, SchemaType};

use super::{BinaryMode, DecimalMode, Modes, TimeMode};
use crate::table::{Column, jdbc};

/// What the values of a column are converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal { mode: DecimalMode, precision: i32, scale: i32 },
    Text,
    Binary(BinaryMode),
    Date(DateForm),
    Time(TimeForm),
    Timestamp(TimeForm),
    ZonedTimestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateForm {
    Days,
    Connect,
    Iso,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeForm {
    Millis,
    Micros,
    Nanos,
    Connect,
    Iso,
}

impl Kind {
    /// `None` for a type that cannot be represented: such a column is left out of records.
    pub(crate) fn of(column: &Column, modes: Modes) -> Option<Self> {
        let scale = column.scale.unwrap_or(0);
        Some(match column.jdbc_type {
            jdbc::BIT => Self::Boolean,
            jdbc::TINYINT | jdbc::SMALLINT => Self::Int16,
            jdbc::INTEGER => Self::Int32,
            jdbc::BIGINT => Self::Int64,
            jdbc::REAL => Self::Float32,
            jdbc::DOUBLE => Self::Float64,
            jdbc::NUMERIC | jdbc::DECIMAL => Self::Decimal { mode: modes.decimal, precision: column.length, scale },
            jdbc::CHAR | jdbc::VARCHAR | jdbc::LONGVARCHAR | jdbc::NCHAR | jdbc::NVARCHAR | jdbc::LONGNVARCHAR => {
                Self::Text
            }
            jdbc::BINARY | jdbc::VARBINARY | jdbc::LONGVARBINARY => Self::Binary(modes.binary),
            jdbc::DATE => Self::Date(match modes.time {
                TimeMode::Connect => DateForm::Connect,
                TimeMode::IsoString => DateForm::Iso,
                _ => DateForm::Days,
            }),
            jdbc::TIME => Self::Time(time_form(modes.time, scale, Part::Time)),
            jdbc::TIMESTAMP => Self::Timestamp(time_form(modes.time, scale, Part::Timestamp)),
            jdbc::DATETIMEOFFSET => Self::ZonedTimestamp,
            _ => return None,
        })
    }

    /// The schema of a value that is not null.
    pub(crate) fn schema(self) -> Schema {
        let logical = |kind, name: &'static str| Schema::new(kind).named(name).with_version(1);
        match self {
            Self::Boolean => Schema::new(SchemaType::Boolean),
            Self::Int16 => Schema::new(SchemaType::Int16),
            Self::Int32 => Schema::new(SchemaType::Int32),
            Self::Int64 => Schema::new(SchemaType::Int64),
            Self::Float32 => Schema::new(SchemaType::Float32),
            Self::Float64 | Self::Decimal { mode: DecimalMode::Double, .. } => Schema::new(SchemaType::Float64),
            Self::Decimal { mode: DecimalMode::Precise, precision, scale } => {
                logical(SchemaType::Bytes, Schema::DECIMAL)
                    .with_parameter("scale", scale.to_string())
                    .with_parameter("connect.decimal.precision", precision.to_string())
            }
            Self::Text | Self::Decimal { mode: DecimalMode::String, .. } => Schema::new(SchemaType::String),
            Self::Binary(mode) => mode.schema(),
            Self::Date(DateForm::Days) => logical(SchemaType::Int32, "io.debezium.time.Date"),
            Self::Date(DateForm::Connect) => logical(SchemaType::Int32, Schema::DATE),
            Self::Date(DateForm::Iso) => logical(SchemaType::String, "io.debezium.time.IsoDate"),
            Self::Time(TimeForm::Millis) => logical(SchemaType::Int32, "io.debezium.time.Time"),
            Self::Time(TimeForm::Micros) => logical(SchemaType::Int64, "io.debezium.time.MicroTime"),
            Self::Time(TimeForm::Nanos) => logical(SchemaType::Int64, "io.debezium.time.NanoTime"),
            Self::Time(TimeForm::Connect) => logical(SchemaType::Int32, Schema::TIME),
            Self::Time(TimeForm::Iso) => logical(SchemaType::String, "io.debezium.time.IsoTime"),
            Self::Timestamp(TimeForm::Millis) => logical(SchemaType::Int64, "io.debezium.time.Timestamp"),
            Self::Timestamp(TimeForm::Micros) => logical(SchemaType::Int64, "io.debezium.time.MicroTimestamp"),
            Self::Timestamp(TimeForm::Nanos) => logical(SchemaType::Int64, "io.debezium.time.NanoTimestamp"),
            Self::Timestamp(TimeForm::Connect) => logical(SchemaType::Int64, Schema::TIMESTAMP),
            Self::Timestamp(TimeForm::Iso) => logical(SchemaType::String, "io.debezium.time.IsoTimestamp"),
            Self::ZonedTimestamp => logical(SchemaType::String, "io.debezium.time.ZonedTimestamp"),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Time,
    Timestamp,
}

fn time_form(mode: TimeMode, scale: i32, part: Part) -> TimeForm {
    match mode {
        TimeMode::AdaptiveTimeMicroseconds if part == Part::Time => TimeForm::Micros,
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds => match scale {
            ..=3 => TimeForm::Millis,
            4..=6 => TimeForm::Micros,
            _ => TimeForm::Nanos,
        },
        TimeMode::Connect => TimeForm::Connect,
        TimeMode::IsoString => TimeForm::Iso,
        TimeMode::Microseconds => TimeForm::Micros,
        TimeMode::Nanoseconds => TimeForm::Nanos,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MODES: Modes = Modes { decimal: DecimalMode::Precise, time: TimeMode::Adaptive, binary: BinaryMode::Bytes };

    fn column(jdbc_type: i32, length: i32, scale: Option<i32>) -> Column {
        Column { jdbc_type, type_name: "any".to_owned(), length, scale, ..Column::for_test("c") }
    }

    fn name(jdbc_type: i32, scale: i32, time: TimeMode) -> String {
        let modes = Modes { time, ..MODES };
        Kind::of(&column(jdbc_type, 27, Some(scale)), modes).unwrap().schema().name.unwrap().to_string()
    }

    #[test]
    fn a_decimal_says_its_scale_and_precision() {
        let schema = Kind::of(&column(jdbc::DECIMAL, 19, Some(4)), MODES).unwrap().schema();
        assert_eq!(schema.name.as_deref(), Some(Schema::DECIMAL));
        let parameters: Vec<(&str, &str)> = schema.parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(parameters, [("scale", "4"), ("connect.decimal.precision", "19")]);
    }

    #[test]
    fn the_scale_decides_the_unit_in_adaptive_mode() {
        let unit = |scale| name(jdbc::TIMESTAMP, scale, TimeMode::Adaptive);
        assert_eq!(unit(3), "io.debezium.time.Timestamp");
        assert_eq!(unit(4), "io.debezium.time.MicroTimestamp");
        assert_eq!(unit(7), "io.debezium.time.NanoTimestamp");
        assert_eq!(name(jdbc::TIME, 0, TimeMode::AdaptiveTimeMicroseconds), "io.debezium.time.MicroTime");
        assert_eq!(name(jdbc::TIMESTAMP, 0, TimeMode::AdaptiveTimeMicroseconds), "io.debezium.time.Timestamp");
        assert_eq!(name(jdbc::TIME, 7, TimeMode::Microseconds), "io.debezium.time.MicroTime");
        assert_eq!(name(jdbc::TIMESTAMP, 3, TimeMode::Nanoseconds), "io.debezium.time.NanoTimestamp");
        assert_eq!(name(jdbc::TIME, 7, TimeMode::Connect), Schema::TIME);
    }

    #[test]
    fn a_variant_is_left_out() {
        assert_eq!(Kind::of(&column(-150, 8000, None), MODES), None);
    }
}
