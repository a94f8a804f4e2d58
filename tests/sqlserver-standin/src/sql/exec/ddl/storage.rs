//! Tables as SQLite has them.

use rusqlite::Connection;

use super::index::make_index;
use crate::data::SqlError;
use crate::sql::catalog::{Table, TableColumn, physical_column};
use crate::sql::errors;
use crate::sql::value::collate::sqlite_name;

/// Makes the table in SQLite, with its indexes.
pub(super) fn make(connection: &Connection, physical: &str, file: &str, table: &Table) -> Result<(), SqlError> {
    let columns: Vec<_> = table.columns.iter().filter(|column| column.computed.is_none()).map(column_sql).collect();
    let columns = if columns.is_empty() { vec!["\"no column\"".to_owned()] } else { columns };
    run(connection, &format!("CREATE TABLE {physical} ({})", columns.join(", ")))?;
    for index in &table.indexes {
        make_index(connection, file, table, index)?;
    }
    Ok(())
}

/// Without a type: SQLite is to keep values as they come. With a collation for comparisons that do not say one.
pub(super) fn column_sql(column: &TableColumn) -> String {
    let collation = column.r#type.collation().map(|collation| format!(" COLLATE {}", sqlite_name(collation)));
    format!("{}{}", physical_column(&column.name), collation.unwrap_or_default())
}

pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), SqlError> {
    connection.execute_batch(sql).map_err(|error| errors::storage(&error))
}
