//! What is made of single columns: which ones records have, what becomes of their values, and which ones are the key.

mod hash;
mod mapping;
mod rules;

pub(crate) use self::mapping::Mapping;
pub(crate) use self::rules::ColumnRules;
