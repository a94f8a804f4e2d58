//! Where SQLite has the tables of CDC.

use super::System;
use crate::data::SqlError;

/// Names of SQLite's tables, ready to stand in a statement.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `standin_cdc_log`
    pub(super) log: String,
    /// `standin_cdc_state`: one row, the LSN of the last captured commit.
    pub(super) state: String,
    pub(super) change_tables: String,
    pub(super) captured_columns: String,
    pub(super) lsn_time_mapping: String,
}

impl Names {
    /// Of an enabled database; 208 in another.
    pub(super) fn of(system: &dyn System) -> Result<Names, SqlError> {
        Ok(Names {
            log: log(system.database_id()),
            state: format!("{}.standin_cdc_state", system.cdc_file()),
            change_tables: system.physical("cdc", "change_tables")?,
            captured_columns: system.physical("cdc", "captured_columns")?,
            lsn_time_mapping: system.physical("cdc", "lsn_time_mapping")?,
        })
    }
}

pub(super) fn log(database: i32) -> String {
    format!("db{database}.standin_cdc_log")
}
