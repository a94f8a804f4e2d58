//! T-SQL: parsing, typing and running statements over SQLite.

mod catalog;
mod errors;
mod exec;
mod function;
mod parse;
mod plan;
mod procedure;
pub(crate) mod types;
pub(crate) mod value;
mod view;

pub(crate) use self::catalog::physical_column;
pub(crate) use self::exec::{Engine, Options};
