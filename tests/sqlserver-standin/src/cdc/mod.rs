//! Change data capture: the log that DML writes, the capture agent that reads it, change tables, and what SQL sees of it.
//!
//! The engine calls [`ChangeData`] from its DML, DDL and transactions, and registers [`functions`], [`procedures`],
//! [`views`] and [`table_function`]. What CDC needs of the engine is [`System`] (a connection to one database with all
//! rights) and [`Engines`] (opens one for a background job).
//!
//! All that CDC keeps is in the database's own files, written in the transaction that caused it: a rollback, also one to a
//! savepoint, and a crash take the log's records with them.

mod agent;
mod answer;
mod arguments;
mod capture;
mod change_data;
mod cleanup;
mod column_list;
mod ddl;
mod disable;
mod enable;
mod functions;
mod help;
mod history;
mod image;
mod instance;
mod interface;
mod jobs;
mod log;
mod lsn;
mod mask;
mod names;
mod procedures;
mod table_functions;
#[cfg(test)]
mod tests;

pub use self::change_data::Capture;
pub(crate) use self::{
    change_data::{ChangeData, Options},
    functions::functions,
    interface::{
        Change, Ddl, Engines, Function, FunctionBody, Layout, LayoutColumn, LogPoint, Procedure, ProcedureCall,
        ProcedureContext, System, TableCheck, TableFunction, View,
    },
    procedures::{procedures, views},
    table_functions::table_function,
};

use crate::data::SqlError;

/// An error of SQLite's as the server reports it: a lock that was not free in time, or a fault of the storage.
fn sqlite(error: rusqlite::Error) -> SqlError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            SqlError::new(1222, 16, 51, "Lock request time out period exceeded.")
        }
        _ => SqlError::new(22859, 16, 1, format!("Log Scan process failed: {error}.")),
    }
}
