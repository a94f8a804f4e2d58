//! Rows as SQLite has them: written, replaced and taken out.

use std::sync::Arc;

use rusqlite::types::Value;

use super::{Changed, key_places};
use crate::data::{Datum, SqlError, Type};
use crate::sql::catalog::{Index, IndexKind, TableColumn, physical_column};
use crate::sql::errors;
use crate::sql::exec::core::Core;
use crate::sql::value::collate::sqlite_name;
use crate::sql::value::convert;
use crate::sql::value::encode::to_sqlite;

impl Core {
    /// Writes whole rows, and checks what the table demands of them.
    pub(super) fn store_rows(
        &mut self,
        changed: &Changed,
        rows: &[Vec<Datum>],
        command: &str,
        row_ids: Option<&[i64]>,
    ) -> Result<(), SqlError> {
        let table = &changed.table;
        let stored: Vec<&TableColumn> = table.columns.iter().filter(|column| column.computed.is_none()).collect();
        let mut names: Vec<_> = stored.iter().map(|column| physical_column(&column.name)).collect();
        if row_ids.is_some() {
            names.push("_rowid_".to_owned());
        }
        let places: Vec<_> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", changed.physical, names.join(", "), places.join(", "));
        let mut written = Vec::with_capacity(rows.len());
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
            for (number, row) in rows.iter().enumerate() {
                let kept = row.iter().zip(&table.columns).filter(|(_, column)| column.computed.is_none());
                let mut values: Vec<Value> = kept.map(|(value, _)| to_sqlite(value)).collect();
                if let Some(ids) = row_ids {
                    values.push(Value::Integer(ids[number]));
                }
                statement
                    .execute(rusqlite::params_from_iter(values))
                    .map_err(|error| self.refused(error, changed, row))?;
                written.push(self.connection.last_insert_rowid());
            }
        }
        self.check_rows(changed, &written, command)
    }

    /// Writes changed rows. Where a key changes, all old rows go before the first new one comes: a statement may move keys
    /// about among its rows.
    pub(super) fn replace_rows(
        &mut self,
        changed: &Changed,
        places: &[Option<usize>],
        ids: &[i64],
        before: &[Vec<Datum>],
        after: &[Vec<Datum>],
    ) -> Result<(), SqlError> {
        let table = Arc::clone(&changed.table);
        let key_changes = table
            .indexes
            .iter()
            .filter(|index| index.unique)
            .any(|index| key_places(&table, index).iter().any(|at| places.contains(&Some(*at))));
        if key_changes {
            self.delete_ids(changed, ids)?;
            self.store_rows(changed, after, "UPDATE", Some(ids))?;
            return self.check_referenced(changed, before, "UPDATE");
        }
        let mut written: Vec<usize> = places.iter().flatten().copied().collect();
        written.extend((0..table.columns.len()).filter(|at| table.columns[*at].r#type == Type::RowVersion));
        written.sort_unstable();
        written.dedup();
        if written.is_empty() {
            return Ok(());
        }
        let sets: Vec<_> = written
            .iter()
            .enumerate()
            .map(|(n, at)| format!("{} = ?{}", physical_column(&table.columns[*at].name), n + 1))
            .collect();
        let sql = format!("UPDATE {} SET {} WHERE _rowid_ = ?{}", changed.physical, sets.join(", "), written.len() + 1);
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
            for (id, row) in ids.iter().zip(after) {
                let mut values: Vec<Value> = written.iter().map(|at| to_sqlite(&row[*at])).collect();
                values.push(Value::Integer(*id));
                statement.execute(rusqlite::params_from_iter(values)).map_err(|error| self.failure(error))?;
            }
        }
        self.check_rows(changed, ids, "UPDATE")
    }

    pub(super) fn delete_ids(&self, changed: &Changed, ids: &[i64]) -> Result<(), SqlError> {
        let sql = format!("DELETE FROM {} WHERE _rowid_ = ?1", changed.physical);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
        for id in ids {
            statement.execute([id]).map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    /// The error for a row that the storage did not take: a key that is there already.
    fn refused(&self, error: rusqlite::Error, changed: &Changed, row: &[Datum]) -> SqlError {
        let constraint = error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
        let text = error.to_string();
        let table = &changed.table;
        let violated =
            table.indexes.iter().filter(|index| index.unique).find(|index| self.has_key(changed, index, row));
        match violated {
            Some(index) if constraint => {
                let key: Vec<_> = key_places(table, index)
                    .iter()
                    .map(|at| convert::key_text(&row[*at], &table.columns[*at].r#type))
                    .collect();
                let key = key.join(", ");
                match index.kind {
                    IndexKind::PrimaryKey => {
                        errors::unique_constraint("PRIMARY KEY", &index.name, &table.full_name(), &key)
                    }
                    IndexKind::UniqueConstraint => {
                        errors::unique_constraint("UNIQUE KEY", &index.name, &table.full_name(), &key)
                    }
                    IndexKind::Index => errors::unique_index(&table.full_name(), &index.name, &key),
                }
            }
            _ if constraint => errors::unsupported(&table.name, &format!("a constraint of the storage: {text}")),
            _ => self.failure(error),
        }
    }

    fn has_key(&self, changed: &Changed, index: &Index, row: &[Datum]) -> bool {
        let places = key_places(&changed.table, index);
        let columns = &changed.table.columns;
        let conditions: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, at)| {
                let collation = columns[*at].r#type.collation().map(|c| format!(" COLLATE {}", sqlite_name(c)));
                format!("{} IS ?{}{}", physical_column(&columns[*at].name), number + 1, collation.unwrap_or_default())
            })
            .collect();
        let sql = format!("SELECT count(*) FROM {} WHERE {}", changed.physical, conditions.join(" AND "));
        let values = places.iter().map(|at| to_sqlite(&row[*at]));
        let found: rusqlite::Result<i64> =
            self.connection.query_row(&sql, rusqlite::params_from_iter(values), |row| row.get(0));
        found.is_ok_and(|found| found > 0)
    }
}
