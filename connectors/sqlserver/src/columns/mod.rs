//! The properties that select and change single columns: which columns records have, how their values are changed, and
//! which columns are the key.

mod hash;
mod mapping;
mod rules;

pub(crate) use self::mapping::Mapping;
pub(crate) use self::rules::ColumnRules;
