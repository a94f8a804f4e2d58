//! Running statements: the server's databases, sessions, transactions, queries, changes of rows and of tables.

mod core;
mod ddl;
mod dml;
mod engine;
mod frame;
mod lookup;
mod options;
mod prepared;
mod procedure;
mod query;
mod raise;
mod rights;
mod run;
mod security;
mod server;
mod session;
mod system;
#[cfg(test)]
mod tests;
mod transaction;

pub(crate) use self::core::{Core, InDatabase, Source};
pub(crate) use self::engine::{Engine, Options};
pub(crate) use self::frame::Frame;
pub(crate) use self::server::DatabaseOptions;
