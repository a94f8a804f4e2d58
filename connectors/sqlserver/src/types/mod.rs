//! How SQL Server's types become Connect's: the schema of a column, and the conversion of its values.

mod convert;
mod default;
mod kind;
mod modes;
mod time;

pub(crate) use self::convert::{ConversionError, convert, decimal_text};
pub(crate) use self::default::{Parsed, parse_default};
pub(crate) use self::kind::Kind;
pub(crate) use self::modes::{BinaryMode, DecimalMode, Modes, TimeMode};
pub(crate) use self::time::{
    date_text, datetime_ticks, days, instant_nanos, small_datetime_ticks, time_text, time_ticks, timestamp_text,
    timestamp_ticks, zoned_text,
};
