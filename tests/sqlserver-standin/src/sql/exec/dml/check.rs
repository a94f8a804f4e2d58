//! What a table demands of its rows: checks and foreign keys.

use std::sync::Arc;

use rusqlite::types::Value;

use super::Changed;
use crate::data::{Datum, SqlError};
use crate::sql::catalog::physical_column;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::exec::lookup::physical_name;
use crate::sql::parse::ast::Expr;
use crate::sql::plan::{Binder, Scope as NameScope};
use crate::sql::value::encode::to_sqlite;
use crate::sql::{errors, parse};

impl Core {
    /// Checks and foreign keys of rows that were written.
    pub(super) fn check_rows(&mut self, changed: &Changed, rows: &[i64], command: &str) -> Result<(), SqlError> {
        let table = Arc::clone(&changed.table);
        for check in &table.checks {
            let expr = parse::expression(&check.text).map_err(SqlError::from)?;
            let wrong = Expr::Not(Box::new(expr));
            if self.any_row(changed, rows, &wrong)? {
                let column = table.column_by_id(check.column).map(|column| column.name.clone()).unwrap_or_default();
                return Err(errors::constraint_conflict(
                    command,
                    "CHECK",
                    &check.name,
                    &changed.database.name,
                    &table.full_name(),
                    &column,
                ));
            }
        }
        for key in &table.foreign_keys {
            let catalog = self.catalog(changed.database.id)?;
            let Some(referenced) = catalog.tables.get(&key.referenced) else { continue };
            let target = physical_name(&changed.database, referenced);
            let mut pairs = Vec::new();
            let mut present = Vec::new();
            for (own, other) in &key.columns {
                let (Some(own), Some(other)) = (table.column_by_id(*own), referenced.column_by_id(*other)) else {
                    continue;
                };
                pairs.push(format!("o.{} = n.{}", physical_column(&other.name), physical_column(&own.name)));
                present.push(format!("n.{} IS NOT NULL", physical_column(&own.name)));
            }
            let sql = format!(
                "SELECT count(*) FROM {} AS n WHERE n._rowid_ = ?1 AND {} AND NOT EXISTS (SELECT 1 FROM {target} AS o WHERE {})",
                changed.physical,
                present.join(" AND "),
                pairs.join(" AND ")
            );
            for row in rows {
                let count = || self.connection.prepare_cached(&sql)?.query_row([row], |row| row.get::<_, i64>(0));
                if count().map_err(|error| self.failure(error))? > 0 {
                    let column = key
                        .columns
                        .first()
                        .filter(|_| key.columns.len() == 1)
                        .and_then(|(_, other)| referenced.column_by_id(*other));
                    let column = column.map(|column| column.name.clone()).unwrap_or_default();
                    return Err(errors::constraint_conflict(
                        command,
                        "FOREIGN KEY",
                        &key.name,
                        &changed.database.name,
                        &referenced.full_name(),
                        &column,
                    ));
                }
            }
        }
        Ok(())
    }

    fn any_row(&mut self, changed: &Changed, rows: &[i64], condition: &Expr) -> Result<bool, SqlError> {
        let frame = Frame::default();
        let mut binder = Binder::new(self, &frame);
        binder.scopes.push(NameScope::default());
        let from = binder.table(&changed.table, &changed.physical, &changed.database, &changed.table.name, false)?;
        let sql = binder.condition(condition)?;
        let alias = from.rsplit(' ').next().unwrap_or_default().to_owned();
        let plan = binder.into_plan(String::new(), Vec::new(), Vec::new());
        let mut values = plan.parameters;
        let place = values.len() + 1;
        let sql = format!("SELECT count(*) FROM {from} WHERE {alias}._rowid_ = ?{place} AND {sql}");
        for row in rows {
            values.truncate(place - 1);
            values.push(Value::Integer(*row));
            let count: i64 = self
                .connection
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.query_row(rusqlite::params_from_iter(&values), |row| row.get(0)))
                .map_err(|error| self.failure(error))?;
            if count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows of other tables that would refer to nothing.
    pub(super) fn check_referenced(
        &mut self,
        changed: &Changed,
        removed: &[Vec<Datum>],
        command: &str,
    ) -> Result<(), SqlError> {
        if changed.temporary {
            return Ok(());
        }
        let catalog = self.catalog(changed.database.id)?;
        for other in catalog.tables.values() {
            for key in other.foreign_keys.iter().filter(|key| key.referenced == changed.table.id) {
                let mut conditions = Vec::new();
                let mut places = Vec::new();
                for (own, referenced) in &key.columns {
                    let at = changed.table.columns.iter().position(|column| column.id == *referenced);
                    let (Some(column), Some(at)) = (other.column_by_id(*own), at) else { continue };
                    places.push(at);
                    conditions.push(format!("{} = ?{}", physical_column(&column.name), places.len()));
                }
                let from = physical_name(&changed.database, other);
                // A row that still has the key, or has it again, is referred to rightly.
                let own: Vec<_> = places
                    .iter()
                    .enumerate()
                    .map(|(n, at)| format!("{} = ?{}", physical_column(&changed.table.columns[*at].name), n + 1))
                    .collect();
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM {from} WHERE {}) AND NOT EXISTS (SELECT 1 FROM {} WHERE {})",
                    conditions.join(" AND "),
                    changed.physical,
                    own.join(" AND ")
                );
                for row in removed {
                    let values: Vec<_> = places.iter().map(|at| to_sqlite(&row[*at])).collect();
                    let broken: bool = self
                        .connection
                        .prepare_cached(&sql)
                        .and_then(|mut statement| {
                            statement.query_row(rusqlite::params_from_iter(&values), |row| row.get(0))
                        })
                        .map_err(|error| self.failure(error))?;
                    if broken {
                        let column = key
                            .columns
                            .first()
                            .and_then(|(own, _)| other.column_by_id(*own))
                            .map(|column| column.name.clone());
                        return Err(errors::constraint_conflict(
                            command,
                            "REFERENCE",
                            &key.name,
                            &changed.database.name,
                            &other.full_name(),
                            &column.unwrap_or_default(),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
