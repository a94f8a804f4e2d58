//! Tables' structure as Debezium tells of it.

mod change;
mod names;

pub(crate) use self::change::TableChange;
pub(crate) use self::names::quoted_id;
