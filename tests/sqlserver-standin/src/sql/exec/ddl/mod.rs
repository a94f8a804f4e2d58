//! `CREATE`, `ALTER` and `DROP`: the catalogue is changed, and SQLite's tables with it, in one transaction.

mod alias;
mod alter;
mod builder;
mod computed;
mod constraint;
mod database;
mod index;
mod storage;
mod table;
mod view;

use rusqlite::Connection;

pub(super) use self::table::definitions_of;
use super::core::{Core, InDatabase};
use super::system::SystemOf;
use crate::cdc::Ddl;
use crate::data::{Collation, SqlError};
use crate::session::{Answer, Command};
use crate::sql::catalog::{Edit, Table};
use crate::sql::errors;
use crate::sql::parse::ast::{DropKind, ObjectName, StatementKind};

impl Core {
    pub(super) fn define(&mut self, statement: &StatementKind, answer: &mut dyn Answer) -> Result<(), SqlError> {
        let command = match statement {
            StatementKind::CreateTable(create) => {
                self.begin_implicitly(answer);
                self.create_table(create)?;
                Command::CreateTable
            }
            StatementKind::AlterTable { table, change, text } => {
                self.begin_implicitly(answer);
                self.alter_table(table, change, text)?;
                Command::AlterTable
            }
            StatementKind::CreateIndex(create) => {
                self.begin_implicitly(answer);
                self.create_index(create)?;
                Command::Other
            }
            StatementKind::DropIndex { name, table, if_exists } => {
                self.drop_index(name, table, *if_exists)?;
                Command::Other
            }
            StatementKind::CreateView { name, columns, query, text, replace } => {
                self.create_view(name, columns, query, text, *replace)?;
                Command::Other
            }
            StatementKind::CreateType { name, base, nullable } => {
                self.create_type(name, base, *nullable)?;
                Command::Other
            }
            StatementKind::Drop { kind: DropKind::Type, names, if_exists } => {
                for name in names {
                    self.drop_type(name, *if_exists)?;
                }
                Command::Other
            }
            StatementKind::CreateDatabase { name, collation } => {
                self.create_database(name, collation.as_deref())?;
                Command::Other
            }
            StatementKind::AlterDatabase { name, options } => {
                self.alter_database(name.as_deref(), options)?;
                Command::Other
            }
            StatementKind::Drop { kind: DropKind::Table, names, if_exists } => {
                self.begin_implicitly(answer);
                for name in names {
                    self.drop_table(name, *if_exists)?;
                }
                Command::DropTable
            }
            StatementKind::Drop { kind: DropKind::View, names, if_exists } => {
                for name in names {
                    self.drop_view(name, *if_exists)?;
                }
                Command::Other
            }
            StatementKind::Drop { kind: DropKind::Database, names, if_exists } => {
                for name in names {
                    self.drop_database(&name.object, *if_exists)?;
                }
                Command::Other
            }
            other => {
                self.secure(other)?;
                Command::Other
            }
        };
        answer.done(None, command);
        Ok(())
    }

    /// Changes a database's catalogue in a transaction of the statement.
    pub(super) fn edit<T>(
        &mut self,
        database: &InDatabase,
        change: impl FnOnce(&mut Edit<'_>, &Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let id = database.id;
        let alias = database.alias();
        self.writing(database, false, |core| {
            let known = core.catalog(id)?;
            let mut edit = Edit::new(&core.connection, &alias, &known);
            let result = change(&mut edit, &core.connection)?;
            let changed = edit.finish().map_err(|error| core.failure(error))?;
            core.catalogs.insert(id, std::sync::Arc::new(changed));
            Ok(result)
        })
    }

    /// The same for this session's temporary tables.
    fn edit_temporary<T>(
        &mut self,
        change: impl FnOnce(&mut Edit<'_>, &Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let known = std::sync::Arc::clone(&self.temporary);
        let mut edit = Edit::new(&self.connection, "main", &known);
        let result = change(&mut edit, &self.connection)?;
        let changed = edit.finish().map_err(|error| self.failure(error))?;
        self.temporary = std::sync::Arc::new(changed);
        Ok(result)
    }

    /// Change data capture is notified before the catalogue changes, and may refuse the change.
    pub(super) fn tell_before(&mut self, database: &InDatabase, ddl: &Ddl<'_>) -> Result<(), SqlError> {
        let enabled = self.server.database_by_id(database.id).is_some_and(|record| record.options.cdc);
        if !enabled || self.internal {
            return Ok(());
        }
        let changes = std::sync::Arc::clone(&self.server.changes);
        changes.ddl_before(&mut SystemOf::new(self, database.clone()), ddl)
    }

    fn tell_after(&mut self, database: &InDatabase, ddl: &Ddl<'_>) -> Result<(), SqlError> {
        let enabled = self.server.database_by_id(database.id).is_some_and(|record| record.options.cdc);
        if !enabled || self.internal {
            return Ok(());
        }
        let changes = std::sync::Arc::clone(&self.server.changes);
        changes.ddl_after(&mut SystemOf::new(self, database.clone()), ddl)
    }

    fn now(&self) -> i64 {
        let at = self.server.clock.local_datetime();
        i64::from(at.days) * 25_920_000 + i64::from(at.ticks)
    }

    fn owner_of(&mut self, name: &ObjectName) -> Result<(InDatabase, String), SqlError> {
        let database = match &name.database {
            Some(database) => self.in_database(database)?,
            None => self.current(),
        };
        let schema = name.schema.clone().unwrap_or_else(|| self.default_schema(&database));
        let catalog = self.catalog(database.id)?;
        match catalog.schema(&schema) {
            Some(found) => Ok((database, found.name.clone())),
            None => Err(SqlError::new(
                2760,
                16,
                1,
                format!(
                    "The specified schema name \"{schema}\" either does not exist or you do not have permission to use it."
                ),
            )),
        }
    }
}

fn collation_named(name: Option<&str>) -> Result<Option<Collation>, SqlError> {
    let Some(name) = name else { return Ok(None) };
    if name.eq_ignore_ascii_case("database_default") {
        return Ok(None);
    }
    Collation::named(name).map(Some).ok_or_else(|| SqlError::new(448, 16, 1, format!("Invalid collation '{name}'.")))
}

fn put(edit: &mut Edit<'_>, table: Table) -> Result<(), SqlError> {
    edit.put_table(table).map_err(|error| errors::storage(&error))
}
