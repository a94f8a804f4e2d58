//! T-SQL: parsing, typing and running statements over SQLite.

mod catalog;
mod errors;
mod parse;
pub(crate) mod types;
pub(crate) mod value;

pub(crate) use self::catalog::physical_column;
