//! SQL Server's types as Connect's: which schema a column has, and its values.

mod convert;
mod default;
mod kind;
mod modes;
mod time;

pub(crate) use self::convert::{Unfit, convert};
pub(crate) use self::default::{Parsed, parse_default};
pub(crate) use self::kind::Kind;
pub(crate) use self::modes::{BinaryMode, DecimalMode, Modes, TimeMode};
pub(crate) use self::time::instant_nanos;
