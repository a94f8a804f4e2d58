//! `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`: what each changes is found first, then changed row by row, checked, logged for
//! change data capture and answered by `OUTPUT`.

mod check;
mod complete;
mod delete;
mod find;
mod identity;
mod insert;
mod merge;
mod output;
mod store;
mod update;

use std::sync::Arc;

use super::core::{Core, InDatabase};
use super::frame::Frame;
use crate::cdc::Change;
use crate::data::{Column, Datum, SqlError, Type};
use crate::sql::catalog::{Index, Table};
use crate::sql::errors;
use crate::sql::parse::ast::Target;

/// The table that a statement changes.
struct Changed {
    table: Arc<Table>,
    physical: String,
    database: InDatabase,
    temporary: bool,
}

/// A row that was changed, as `OUTPUT` sees it.
type Pair = (Option<Vec<Datum>>, Option<Vec<Datum>>);

impl Core {
    fn changed(&mut self, target: &Target, frame: &Frame) -> Result<Changed, SqlError> {
        match target {
            Target::Variable(name) => {
                let table = self.table_variable(frame, name)?;
                let physical = self.temporary_name(&table);
                Ok(Changed { table, physical, database: self.current(), temporary: true })
            }
            Target::Named { name, .. } => {
                let (table, physical, database) = self.find_table(name)?;
                let temporary = name.object.starts_with('#');
                Ok(Changed { table, physical, database, temporary })
            }
        }
    }

    fn may_change(&mut self, changed: &Changed, permission: &str) -> Result<(), SqlError> {
        if changed.temporary {
            return Ok(());
        }
        let table = &changed.table;
        self.check(&changed.database, permission, &table.schema, &table.name, table.id)?;
        if table.schema.eq_ignore_ascii_case("cdc") && table.shipped && !self.is_sysadmin() {
            return Err(errors::permission_denied(permission, &table.name, &changed.database.name, &table.schema));
        }
        Ok(())
    }

    fn log(&mut self, changed: &Changed, changes: Vec<Change>) -> Result<(), SqlError> {
        if !changed.table.tracked || changes.is_empty() {
            return Ok(());
        }
        let layout = changed.table.layout();
        self.server.changes.statement(&self.log_point(changed.database.id), &layout, &changes)
    }
}

fn count_matches(columns: &[Column], wanted: usize) -> Result<Vec<Type>, SqlError> {
    match columns.len().cmp(&wanted) {
        std::cmp::Ordering::Less => Err(errors::column_count()),
        std::cmp::Ordering::Greater => Err(errors::too_many_values()),
        std::cmp::Ordering::Equal => Ok(columns.iter().map(|column| column.r#type.clone()).collect()),
    }
}

fn key_places(table: &Table, index: &Index) -> Vec<usize> {
    let position = |id: i32| table.columns.iter().position(|column| column.id == id);
    index.columns.iter().filter_map(|(id, _)| position(*id)).collect()
}
