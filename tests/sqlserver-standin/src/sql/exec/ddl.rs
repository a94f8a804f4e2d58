//! `CREATE`, `ALTER` and `DROP`: the catalogue is changed, and SQLite's tables with it, in one transaction.

use rusqlite::Connection;

use super::core::{Core, InDatabase};
use super::lookup::physical_name;
use super::server::{DatabaseRecord, lock};
use super::system::SystemOf;
use crate::cdc::Ddl;
use crate::data::{Collation, Column, Datum, SqlError, Type};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command};
use crate::sql::catalog::{
    self, Catalog, Check, ColumnDefault, Computed, Edit, Folded, ForeignKey, Index, IndexKind, Table, TableColumn,
    View, physical_column, quoted,
};
use crate::sql::parse::ast::{
    AlterTable, ColumnDefinition, ColumnKind, Constraint, ConstraintKind, CreateIndex, CreateTable, DatabaseOption,
    DropKind, ObjectName, StatementKind, TypeName,
};
use crate::sql::value::collate::sqlite_name;
use crate::sql::value::convert::{Settings, assign};
use crate::sql::value::encode::{from_sqlite, to_sqlite};
use crate::sql::{errors, parse, types};

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

    fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        let temporary = create.name.object.starts_with('#');
        let mut builder = Builder { collation: self.database.collation, now: self.now(), shipped: self.internal };
        if temporary {
            let taken = self.temporary.table("dbo", &create.name.object).is_some();
            if taken {
                return Err(errors::object_exists(&create.name.object));
            }
            self.edit_temporary(|edit, connection| {
                let table = builder.table(edit, "dbo", create)?;
                make(connection, &format!("main.t{}", table.id), "main", &table)?;
                put(edit, table)
            })?;
            return Ok(());
        }
        self.check_owner("CREATE TABLE")?;
        let (database, schema) = self.owner_of(&create.name)?;
        builder.collation = database.collation;
        self.edit(&database, |edit, connection| {
            if edit.catalog.has_object_named(&schema, &create.name.object) {
                return Err(errors::object_exists(&create.name.object));
            }
            let table = builder.table(edit, &schema, create)?;
            let physical = physical_name(&database, &table);
            let file = physical.split('.').next().unwrap_or_default().to_owned();
            make(connection, &physical, &file, &table)?;
            put(edit, table)
        })
    }

    pub(super) fn create_table_from(
        &mut self,
        name: &ObjectName,
        columns: Vec<ColumnDefinition>,
    ) -> Result<(), SqlError> {
        self.create_table(&CreateTable { name: name.clone(), columns, constraints: Vec::new(), indexes: Vec::new() })
    }

    pub(super) fn create_table_variable(
        &mut self,
        name: &str,
        columns: &[ColumnDefinition],
        constraints: &[Constraint],
    ) -> Result<i32, SqlError> {
        let builder = Builder { collation: self.database.collation, now: self.now(), shipped: false };
        self.edit_temporary(|edit, connection| {
            // Another frame may have one of this name.
            let unique = format!("{name} {}", edit.catalog.last_id);
            let create = CreateTable {
                name: ObjectName::bare(unique),
                columns: columns.to_vec(),
                constraints: constraints.to_vec(),
                indexes: Vec::new(),
            };
            let table = builder.table(edit, "dbo", &create)?;
            let id = table.id;
            make(connection, &format!("main.t{id}"), "main", &table)?;
            put(edit, table)?;
            Ok(id)
        })
    }

    pub(super) fn drop_table_variable(&mut self, id: i32) {
        let dropped = self.edit_temporary(|edit, connection| {
            run(connection, &format!("DROP TABLE IF EXISTS main.t{id}"))?;
            edit.drop_table(id).map_err(|error| errors::storage(&error))
        });
        if let Err(error) = dropped {
            tracing::debug!(%error, "a table variable stays until the session ends");
        }
    }

    fn drop_table(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let found = self.find_table(name);
        let (table, physical, database) = match found {
            Ok(found) => found,
            Err(error) if error.number == 208 && if_exists => return Ok(()),
            Err(error) if error.number == 208 => return Err(errors::cannot_drop("table", &name.text())),
            Err(error) => return Err(error),
        };
        let id = table.id;
        if name.object.starts_with('#') {
            return self.edit_temporary(|edit, connection| {
                run(connection, &format!("DROP TABLE {physical}"))?;
                edit.drop_table(id).map_err(|error| errors::storage(&error))
            });
        }
        self.check_owner("DROP TABLE")?;
        let catalog = self.catalog(database.id)?;
        let referenced = catalog
            .tables
            .values()
            .filter(|other| other.id != id)
            .any(|other| other.foreign_keys.iter().any(|key| key.referenced == id));
        if referenced {
            return Err(SqlError::new(
                3726,
                16,
                1,
                format!(
                    "Could not drop object '{}' because it is referenced by a FOREIGN KEY constraint.",
                    name.text()
                ),
            ));
        }
        self.lock(&database, id, Mode::Exclusive, Scope::Transaction, false)?;
        self.tell_before(&database, &Ddl::DropTable { object_id: id })?;
        self.edit(&database, |edit, connection| {
            run(connection, &format!("DROP TABLE {physical}"))?;
            edit.drop_table(id).map_err(|error| errors::storage(&error))
        })?;
        lock(&self.server.identities).remove(&(database.id, id));
        self.tell_after(&database, &Ddl::DropTable { object_id: id })
    }

    /// Change data capture is told before the catalogue changes, and may refuse.
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

    fn alter_table(&mut self, name: &ObjectName, change: &AlterTable, text: &str) -> Result<(), SqlError> {
        self.check_owner("ALTER TABLE")?;
        let missing = || {
            SqlError::new(
                4902,
                16,
                1,
                format!(
                    "Cannot find the object \"{}\" because it does not exist or you do not have permissions.",
                    name.text()
                ),
            )
        };
        let (table, physical, database) =
            self.find_table(name).map_err(|error| if error.number == 208 { missing() } else { error })?;
        if name.object.starts_with('#') {
            return Err(errors::unsupported("ALTER TABLE of a temporary table"));
        }
        self.lock(&database, table.id, Mode::Exclusive, Scope::Transaction, false)?;
        let (id, now) = (table.id, self.now());
        let builder = Builder { collation: database.collation, now, shipped: self.internal };
        match change {
            AlterTable::Nothing => Ok(()),
            AlterTable::AddColumns { columns, constraints } => {
                let ddl = Ddl::AddColumn { object_id: id, text };
                if !columns.is_empty() {
                    self.tell_before(&database, &ddl)?;
                }
                let mut table = Table::clone(&table);
                let before = table.columns.len();
                let old_indexes = table.indexes.len();
                self.edit(&database, |edit, connection| {
                    for column in columns {
                        builder.column(edit, &mut table, column)?;
                    }
                    for column in columns {
                        for constraint in &column.constraints {
                            builder.constraint(edit, &mut table, constraint, Some(&column.name))?;
                        }
                    }
                    for constraint in constraints {
                        builder.constraint(edit, &mut table, constraint, None)?;
                    }
                    for column in table.columns[before..].iter().filter(|column| column.computed.is_none()) {
                        run(connection, &format!("ALTER TABLE {physical} ADD COLUMN {}", column_sql(column)))?;
                    }
                    let file = physical.split('.').next().unwrap_or_default();
                    for index in &table.indexes[old_indexes..] {
                        make_index(connection, file, &table, index)?;
                    }
                    table.modified = now;
                    put(edit, table.clone())
                })?;
                self.fill_new_columns(&table, &physical, &database, before)?;
                if columns.is_empty() { Ok(()) } else { self.tell_after(&database, &ddl) }
            }
            AlterTable::AlterColumn { name: column, to, nullable, collation } => {
                self.alter_column(&table, &physical, &database, (column, to, *nullable, collation.as_deref()), text)
            }
            AlterTable::DropColumns { names, if_exists } => {
                for column in names {
                    let Some(found) = table.column(column) else {
                        if *if_exists {
                            continue;
                        }
                        return Err(SqlError::new(
                            4924,
                            16,
                            1,
                            format!(
                                "ALTER TABLE DROP COLUMN failed because column '{column}' does not exist in table '{}'.",
                                table.name
                            ),
                        ));
                    };
                    let used = table.indexes.iter().any(|index| index.columns.iter().any(|(id, _)| *id == found.id))
                        || found.default.is_some();
                    if used {
                        return Err(SqlError::new(
                            4922,
                            16,
                            9,
                            format!(
                                "ALTER TABLE DROP COLUMN {column} failed because one or more objects access this column."
                            ),
                        ));
                    }
                    let ddl = Ddl::DropColumn { object_id: id, column: &found.name, text };
                    self.tell_before(&database, &ddl)?;
                    let computed = found.computed.is_some();
                    self.edit(&database, |edit, connection| {
                        let mut table = current_table(&edit.catalog, id)?;
                        table.columns.retain(|other| other.id != found.id);
                        table.modified = now;
                        if !computed {
                            run(
                                connection,
                                &format!("ALTER TABLE {physical} DROP COLUMN {}", physical_column(&found.name)),
                            )?;
                        }
                        put(edit, table)
                    })?;
                    self.tell_after(&database, &ddl)?;
                }
                Ok(())
            }
            AlterTable::DropConstraints { names, if_exists } => {
                for constraint in names {
                    self.drop_constraint(id, &database, constraint, *if_exists)?;
                }
                Ok(())
            }
        }
    }

    /// Rows that are there get a new column's default where it must not be null.
    fn fill_new_columns(
        &mut self,
        table: &Table,
        physical: &str,
        database: &InDatabase,
        from: usize,
    ) -> Result<(), SqlError> {
        let rows: i64 = self
            .connection
            .query_row(&format!("SELECT count(*) FROM {physical}"), [], |row| row.get(0))
            .map_err(|error| self.failure(error))?;
        if rows == 0 {
            return Ok(());
        }
        for column in &table.columns[from..] {
            if column.nullable || column.computed.is_some() {
                continue;
            }
            let Some(default) = &column.default else {
                return Err(SqlError::new(
                    4901,
                    16,
                    1,
                    format!(
                        "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition specified, or the column being added is an identity or timestamp column, or alternatively if none of the previous conditions are satisfied the table must be empty to allow addition of this column. Column '{}' cannot be added to non-empty table '{}' because it does not satisfy these conditions.",
                        column.name, table.name
                    ),
                ));
            };
            let expr = parse::expression(&default.text).map_err(SqlError::from)?;
            let value = self.value_as(&expr, &super::Frame::default(), &column.r#type)?;
            let sql = format!("UPDATE {physical} SET {} = ?1", physical_column(&column.name));
            let value = to_sqlite(&value);
            self.writing(database, false, |core| {
                core.connection.execute(&sql, [&value]).map_err(|error| core.failure(error))
            })?;
        }
        Ok(())
    }

    fn alter_column(
        &mut self,
        table: &Table,
        physical: &str,
        database: &InDatabase,
        (name, to, nullable, collation): (&str, &TypeName, Option<bool>, Option<&str>),
        text: &str,
    ) -> Result<(), SqlError> {
        let at = table.position(name).ok_or_else(|| {
            SqlError::new(
                4924,
                16,
                1,
                format!(
                    "ALTER TABLE ALTER COLUMN failed because column '{name}' does not exist in table '{}'.",
                    table.name
                ),
            )
        })?;
        let of = collation_named(collation)?.unwrap_or(database.collation);
        let kind = types::resolve(to, of)?;
        let (id, now) = (table.id, self.now());
        let ddl = Ddl::AlterColumn { object_id: id, column: &table.columns[at].name, r#type: &kind, text };
        self.tell_before(database, &ddl)?;
        let old = table.columns[at].clone();
        let column = physical_column(&old.name);
        self.edit(database, |edit, connection| {
            let mut changes = Vec::new();
            {
                let storage = |error: rusqlite::Error| errors::storage(&error);
                let mut statement =
                    connection.prepare(&format!("SELECT _rowid_, {column} FROM {physical}")).map_err(storage)?;
                let mut rows = statement.query([]).map_err(storage)?;
                while let Some(row) = rows.next().map_err(storage)? {
                    let row_id: i64 = row.get(0).map_err(storage)?;
                    let value = from_sqlite(row.get_ref(1).map_err(storage)?, &old.r#type);
                    if value == Datum::Null && nullable == Some(false) {
                        return Err(errors::null_into(
                            &old.name,
                            &format!("{}.{}", database.name, table.full_name()),
                            "UPDATE",
                        ));
                    }
                    let (value, cut) = assign(&value, &old.r#type, &kind, Settings::default())?;
                    if cut {
                        return Err(SqlError::new(
                            2628,
                            16,
                            1,
                            format!(
                                "String or binary data would be truncated in table '{}.{}', column '{}'.",
                                database.name,
                                table.full_name(),
                                old.name
                            ),
                        ));
                    }
                    changes.push((row_id, to_sqlite(&value)));
                }
            }
            for (row_id, value) in changes {
                connection
                    .prepare_cached(&format!("UPDATE {physical} SET {column} = ?1 WHERE _rowid_ = ?2"))
                    .and_then(|mut statement| statement.execute(rusqlite::params![value, row_id]))
                    .map_err(|error| errors::storage(&error))?;
            }
            let mut table = current_table(&edit.catalog, id)?;
            table.columns[at].r#type = kind.clone();
            table.columns[at].sysname = to.name.eq_ignore_ascii_case("sysname");
            table.columns[at].nullable = nullable.unwrap_or(true);
            table.modified = now;
            put(edit, table)
        })?;
        self.tell_after(database, &ddl)
    }

    fn drop_constraint(&mut self, id: i32, database: &InDatabase, name: &str, if_exists: bool) -> Result<(), SqlError> {
        let catalog = self.catalog(database.id)?;
        let mut table = current_table(&catalog, id)?;
        let wanted = Folded::new(name);
        let same = |other: &str| Folded::new(other) == wanted;
        let index = table.indexes.iter().find(|index| index.object_id != 0 && same(&index.name)).cloned();
        if index.as_ref().is_some_and(|index| index.kind == IndexKind::PrimaryKey) {
            self.tell_before(database, &Ddl::DropPrimaryKey { object_id: id })?;
        } else if let Some(index) = &index {
            self.tell_before(database, &Ddl::DropIndex { object_id: id, index: &index.name })?;
        }
        let before = table.constraint_names().count();
        table.indexes.retain(|other| index.as_ref().is_none_or(|index| other.id != index.id));
        table.checks.retain(|check| !same(&check.name));
        table.foreign_keys.retain(|key| !same(&key.name));
        for column in &mut table.columns {
            column.default = column.default.take().filter(|default| !same(&default.name));
        }
        if table.constraint_names().count() == before {
            return if if_exists {
                Ok(())
            } else {
                Err(SqlError::new(3728, 16, 1, format!("'{name}' is not a constraint.")))
            };
        }
        let file = physical_name(database, &table).split('.').next().unwrap_or_default().to_owned();
        self.edit(database, |edit, connection| {
            if let Some(index) = &index {
                unmake_index(connection, &file, id, index)?;
            }
            put(edit, table)
        })
    }

    fn create_index(&mut self, create: &CreateIndex) -> Result<(), SqlError> {
        let (table, physical, database) = self.find_table(&create.table)?;
        let mut table = Table::clone(&table);
        let file = physical.split('.').next().unwrap_or_default().to_owned();
        if table.indexes.iter().any(|index| Folded::new(&index.name) == Folded::new(&create.name)) {
            return Err(SqlError::new(
                1913,
                16,
                1,
                format!(
                    "The operation failed because an index or statistics with name '{}' already exists on table '{}'.",
                    create.name,
                    create.table.text()
                ),
            ));
        }
        add_index(&mut table, create)?;
        let index = table.indexes.last().cloned().ok_or_else(|| errors::unknown_object(&create.name))?;
        let place = |edit: &mut Edit<'_>, connection: &Connection| {
            make_index(connection, &file, &table, &index).map_err(|error| match error.number {
                823 => SqlError::new(1505, 16, 1, format!("The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '{}' and the index name '{}'.", table.full_name(), index.name)),
                _ => error,
            })?;
            put(edit, table.clone())
        };
        if create.table.object.starts_with('#') {
            return self.edit_temporary(place);
        }
        self.check_owner("CREATE INDEX")?;
        self.edit(&database, place)
    }

    fn drop_index(&mut self, name: &str, table: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let (table, physical, database) = self.find_table(table)?;
        let index = table
            .indexes
            .iter()
            .find(|index| index.object_id == 0 && Folded::new(&index.name) == Folded::new(name))
            .cloned();
        let Some(index) = index else {
            return if if_exists {
                Ok(())
            } else {
                Err(SqlError::new(
                    3701,
                    11,
                    7,
                    format!(
                        "Cannot drop the index '{}.{name}', because it does not exist or you do not have permission.",
                        table.name
                    ),
                ))
            };
        };
        self.tell_before(&database, &Ddl::DropIndex { object_id: table.id, index: &index.name })?;
        let file = physical.split('.').next().unwrap_or_default().to_owned();
        self.edit(&database, |edit, connection| {
            unmake_index(connection, &file, table.id, &index)?;
            let mut table = Table::clone(&table);
            table.indexes.retain(|other| other.id != index.id);
            put(edit, table)
        })
    }

    fn create_view(
        &mut self,
        name: &ObjectName,
        columns: &[String],
        query: &crate::sql::parse::ast::Query,
        text: &str,
        replace: bool,
    ) -> Result<(), SqlError> {
        self.check_owner("CREATE VIEW")?;
        let (database, schema) = self.owner_of(name)?;
        // What does not bind now is not created.
        crate::sql::plan::Binder::new(self, &super::Frame::default()).query(query, crate::sql::plan::Place::Derived)?;
        self.clear_materialised();
        let now = self.now();
        self.edit(&database, |edit, _| {
            let known = edit.catalog.view(&schema, &name.object).cloned();
            if !replace && edit.catalog.has_object_named(&schema, &name.object) {
                return Err(errors::object_exists(&name.object));
            }
            let (id, created) = match known {
                Some(known) => (known.id, known.created),
                None => (edit.catalog.next_id(), now),
            };
            let view = View {
                id,
                schema: schema.clone(),
                name: name.object.clone(),
                columns: columns.to_vec(),
                text: text.to_owned(),
                created,
                modified: now,
            };
            edit.put_view(view).map_err(|error| errors::storage(&error))
        })
    }

    fn drop_view(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        let (database, schema) = self.owner_of(name)?;
        let catalog = self.catalog(database.id)?;
        let Some(view) = catalog.view(&schema, &name.object).cloned() else {
            return if if_exists { Ok(()) } else { Err(errors::cannot_drop("view", &name.text())) };
        };
        self.edit(&database, |edit, _| edit.drop_view(view.id).map_err(|error| errors::storage(&error)))
    }

    fn create_database(&mut self, name: &str, collation: Option<&str>) -> Result<(), SqlError> {
        self.check_sysadmin("CREATE DATABASE")?;
        if self.in_transaction() {
            return Err(errors::in_transaction("CREATE DATABASE"));
        }
        let collation = collation_named(collation)?.unwrap_or_default();
        let id = self.server.change(|state| {
            if state.databases.values().any(|database| Folded::new(&database.name) == Folded::new(name)) {
                return Err(SqlError::new(
                    1801,
                    16,
                    3,
                    format!("Database '{name}' already exists. Choose a different database name."),
                ));
            }
            let id = state.databases.keys().max().map_or(5, |last| last + 1).max(5);
            let record = DatabaseRecord {
                id,
                name: name.to_owned(),
                collation: collation.name().to_owned(),
                options: super::DatabaseOptions::default(),
            };
            state.databases.insert(id, record);
            Ok(id)
        })?;
        self.catalog(id)?;
        let database = self.in_database(name)?;
        let changes = std::sync::Arc::clone(&self.server.changes);
        changes.opened(&mut SystemOf::new(self, database))
    }

    fn drop_database(&mut self, name: &str, if_exists: bool) -> Result<(), SqlError> {
        self.check_sysadmin("DROP DATABASE")?;
        if self.in_transaction() {
            return Err(errors::in_transaction("DROP DATABASE"));
        }
        let Some(record) = self.server.database(name) else {
            return if if_exists { Ok(()) } else { Err(errors::cannot_drop("database", name)) };
        };
        if record.id <= 4 {
            return Err(SqlError::new(
                3708,
                16,
                4,
                format!("Cannot drop the database '{name}' because it is a system database."),
            ));
        }
        if record.id == self.database.id {
            return Err(SqlError::new(
                3702,
                16,
                3,
                format!("Cannot drop database \"{name}\" because it is currently in use."),
            ));
        }
        self.server.changes.dropped(record.id);
        self.detach(record.id);
        self.server.change(|state| {
            state.databases.remove(&record.id);
            Ok(())
        })?;
        lock(&self.server.catalogs).remove(&record.id);
        for kind in ["db", "cdc"] {
            let file = self.server.file(kind, record.id);
            for suffix in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(suffix);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(%error, "a file of a dropped database is gone already");
                }
            }
        }
        Ok(())
    }

    fn alter_database(&mut self, name: Option<&str>, options: &[DatabaseOption]) -> Result<(), SqlError> {
        self.check_owner("ALTER DATABASE")?;
        let id = match name {
            Some(name) => self.server.database(name).ok_or_else(|| errors::database_missing(name))?.id,
            None => self.database.id,
        };
        self.server.change(|state| {
            let Some(record) = state.databases.get_mut(&id) else { return Ok(()) };
            for option in options {
                match option {
                    DatabaseOption::SnapshotIsolation(on) => record.options.snapshot_isolation = *on,
                    DatabaseOption::ReadCommittedSnapshot(on) => record.options.read_committed_snapshot = *on,
                    DatabaseOption::ReadOnly(on) => record.options.read_only = *on,
                    DatabaseOption::Compatibility(level) => record.options.compatibility = *level,
                    DatabaseOption::Recovery(model) => record.options.recovery.clone_from(model),
                    DatabaseOption::Collate(name) => {
                        record.collation = collation_named(Some(name))?.unwrap_or_default().name().to_owned();
                    }
                    DatabaseOption::ModifyName(name) => record.name.clone_from(name),
                    DatabaseOption::Nothing => {}
                }
            }
            Ok(())
        })?;
        if id == self.database.id
            && let Some(record) = self.server.database_by_id(id)
        {
            self.database = InDatabase::of(&record);
        }
        Ok(())
    }
}

/// The definitions of a table that a query's columns make.
pub(super) fn definitions_of(columns: &[Column]) -> Result<Vec<ColumnDefinition>, SqlError> {
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            if column.name.is_empty() {
                return Err(SqlError::new(1038, 15, 5, format!("An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. Column {}.", at + 1)));
            }
            let to = parse::type_name(&types::text(&column.r#type)).map_err(SqlError::from)?;
            Ok(ColumnDefinition {
                name: column.name.clone(),
                kind: ColumnKind::Typed(to),
                collation: column.r#type.collation().map(|collation| collation.name().to_owned()),
                nullable: Some(column.nullable),
                identity: None,
                default: None,
                rowguidcol: false,
                constraints: Vec::new(),
            })
        })
        .collect()
}

fn collation_named(name: Option<&str>) -> Result<Option<Collation>, SqlError> {
    let Some(name) = name else { return Ok(None) };
    if name.eq_ignore_ascii_case("database_default") {
        return Ok(None);
    }
    Collation::named(name).map(Some).ok_or_else(|| SqlError::new(448, 16, 1, format!("Invalid collation '{name}'.")))
}

fn current_table(catalog: &Catalog, id: i32) -> Result<Table, SqlError> {
    catalog.tables.get(&id).map(|table| Table::clone(table)).ok_or_else(|| errors::unknown_object(&id.to_string()))
}

fn run(connection: &Connection, sql: &str) -> Result<(), SqlError> {
    connection.execute_batch(sql).map_err(|error| errors::storage(&error))
}

fn put(edit: &mut Edit<'_>, table: Table) -> Result<(), SqlError> {
    edit.put_table(table).map_err(|error| errors::storage(&error))
}

/// Makes the table in SQLite, with its indexes.
fn make(connection: &Connection, physical: &str, file: &str, table: &Table) -> Result<(), SqlError> {
    let columns: Vec<_> = table.columns.iter().filter(|column| column.computed.is_none()).map(column_sql).collect();
    let columns = if columns.is_empty() { vec!["\"no column\"".to_owned()] } else { columns };
    run(connection, &format!("CREATE TABLE {physical} ({})", columns.join(", ")))?;
    for index in &table.indexes {
        make_index(connection, file, table, index)?;
    }
    Ok(())
}

/// Without a type: SQLite is to keep values as they come. With a collation for comparisons that do not say one.
fn column_sql(column: &TableColumn) -> String {
    let collation = column.r#type.collation().map(|collation| format!(" COLLATE {}", sqlite_name(collation)));
    format!("{}{}", physical_column(&column.name), collation.unwrap_or_default())
}

fn make_index(connection: &Connection, file: &str, table: &Table, index: &Index) -> Result<(), SqlError> {
    let columns: Vec<&TableColumn> = index.columns.iter().filter_map(|(id, _)| table.column_by_id(*id)).collect();
    if columns.iter().any(|column| column.computed.is_some()) {
        return Err(errors::unsupported("an index of a computed column"));
    }
    // SQL Server has nulls equal in a unique index, SQLite does not: there a value stands for null.
    let nullable = columns.iter().any(|column| column.nullable) && index.unique && index.filter.is_none();
    let plain: Vec<_> = columns
        .iter()
        .zip(&index.columns)
        .map(|(column, (_, descending))| format!("{}{}", column_sql(column), if *descending { " DESC" } else { "" }))
        .collect();
    let name = format!("i{}_{}", table.id, index.id);
    let unique = if index.unique && !nullable && index.filter.is_none() { "UNIQUE " } else { "" };
    run(connection, &format!("CREATE {unique}INDEX {file}.{name} ON t{} ({})", table.id, plain.join(", ")))?;
    if nullable {
        let keys: Vec<_> = columns
            .iter()
            .map(|column| {
                let collation =
                    column.r#type.collation().map(|collation| format!(" COLLATE {}", sqlite_name(collation)));
                format!("ifnull({}, x'006e756c6c'){}", physical_column(&column.name), collation.unwrap_or_default())
            })
            .collect();
        run(connection, &format!("CREATE UNIQUE INDEX {file}.{name}_unique ON t{} ({})", table.id, keys.join(", ")))?;
    }
    Ok(())
}

fn unmake_index(connection: &Connection, file: &str, table: i32, index: &Index) -> Result<(), SqlError> {
    let name = format!("i{table}_{}", index.id);
    run(
        connection,
        &format!(
            "DROP INDEX IF EXISTS {file}.{}; DROP INDEX IF EXISTS {file}.{}",
            quoted(&name),
            quoted(&format!("{name}_unique"))
        ),
    )
}

fn add_index(table: &mut Table, create: &CreateIndex) -> Result<(), SqlError> {
    let id = |name: &String| {
        table.column(name).map(|column| column.id).ok_or_else(|| {
            SqlError::new(1911, 16, 1, format!("Column name '{name}' does not exist in the target table or view."))
        })
    };
    let columns = create
        .columns
        .iter()
        .map(|(name, descending)| Ok((id(name)?, *descending)))
        .collect::<Result<Vec<_>, SqlError>>()?;
    let included = create.included.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    if create.clustered && table.indexes.iter().any(|index| index.clustered) {
        return Err(SqlError::new(
            1902,
            16,
            3,
            format!(
                "Cannot create more than one clustered index on table '{}'. Drop the existing clustered index before creating another.",
                table.full_name()
            ),
        ));
    }
    let index_id = next_index_id(table, create.clustered);
    table.indexes.push(Index {
        id: index_id,
        object_id: 0,
        name: create.name.clone(),
        kind: IndexKind::Index,
        unique: create.unique,
        clustered: create.clustered,
        columns,
        included,
        filter: create.filter.as_ref().map(parse::default_text),
        system_named: false,
    });
    Ok(())
}

fn next_index_id(table: &mut Table, clustered: bool) -> i32 {
    if clustered {
        return 1;
    }
    table.last_index_id = table.last_index_id.max(1) + 1;
    table.last_index_id
}

/// Makes a table's description from what was written.
struct Builder {
    collation: Collation,
    now: i64,
    shipped: bool,
}

impl Builder {
    fn table(&self, edit: &mut Edit<'_>, schema: &str, create: &CreateTable) -> Result<Table, SqlError> {
        let mut table = Table {
            id: edit.catalog.next_id(),
            schema: schema.to_owned(),
            name: create.name.object.clone(),
            columns: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            last_column_id: 0,
            last_index_id: 0,
            shipped: self.shipped,
            tracked: false,
            created: self.now,
            modified: self.now,
        };
        for column in &create.columns {
            self.column(edit, &mut table, column)?;
        }
        for column in &create.columns {
            for constraint in &column.constraints {
                self.constraint(edit, &mut table, constraint, Some(&column.name))?;
            }
        }
        for constraint in &create.constraints {
            self.constraint(edit, &mut table, constraint, None)?;
        }
        for index in &create.indexes {
            add_index(&mut table, index)?;
        }
        Ok(table)
    }

    fn column(&self, edit: &mut Edit<'_>, table: &mut Table, column: &ColumnDefinition) -> Result<(), SqlError> {
        if table.column(&column.name).is_some() {
            return Err(SqlError::new(
                2705,
                16,
                3,
                format!(
                    "Column names in each table must be unique. Column name '{}' in table '{}' is specified more than once.",
                    column.name, table.name
                ),
            ));
        }
        let collation = collation_named(column.collation.as_deref())?.unwrap_or(self.collation);
        table.last_column_id += 1;
        let (kind, computed, sysname) = match &column.kind {
            ColumnKind::Typed(name) => {
                (types::resolve(name, collation)?, None, name.name.eq_ignore_ascii_case("sysname"))
            }
            ColumnKind::Computed { expr, persisted } => {
                let computed = Computed { text: parse::default_text(expr), persisted: *persisted };
                (computed_type(table, expr, self.collation), Some(computed), false)
            }
        };
        let identity =
            column.identity.as_ref().map(|(seed, step)| (seed.parse().unwrap_or(1), step.parse().unwrap_or(1)));
        let key = column
            .constraints
            .iter()
            .any(|constraint| matches!(constraint.kind, ConstraintKind::Key { primary: true, .. }));
        let never_null =
            identity.is_some() || key || kind == Type::RowVersion || (sysname && column.nullable.is_none());
        let default = column.default.as_ref().map(|(name, expr)| {
            let id = edit.catalog.next_id();
            let made_up = || catalog::constraint_name("DF", &table.name, &column.name, id);
            ColumnDefault {
                id,
                name: name.clone().unwrap_or_else(made_up),
                text: parse::default_text(expr),
                system_named: name.is_none(),
            }
        });
        table.columns.push(TableColumn {
            id: table.last_column_id,
            name: column.name.clone(),
            r#type: kind,
            sysname,
            nullable: !never_null && column.nullable.unwrap_or(true),
            identity,
            default,
            computed,
            rowguidcol: column.rowguidcol,
        });
        Ok(())
    }

    fn constraint(
        &self,
        edit: &mut Edit<'_>,
        table: &mut Table,
        constraint: &Constraint,
        at: Option<&str>,
    ) -> Result<(), SqlError> {
        let system_named = constraint.name.is_none();
        let name = |edit: &mut Edit<'_>, prefix: &str, column: &str, table: &Table| {
            let id = edit.catalog.next_id();
            (id, constraint.name.clone().unwrap_or_else(|| catalog::constraint_name(prefix, &table.name, column, id)))
        };
        if let Some(written) = &constraint.name
            && edit.catalog.has_object_named(&table.schema, written)
        {
            return Err(errors::object_exists(written));
        }
        match &constraint.kind {
            ConstraintKind::Key { primary, clustered, columns } => {
                if *primary && table.primary_key().is_some() {
                    return Err(SqlError::new(
                        1779,
                        16,
                        0,
                        format!("Table '{}' already has a primary key defined on it.", table.name),
                    ));
                }
                let mut keys = Vec::new();
                for (column, descending) in columns {
                    let Some(position) = table.position(column) else {
                        return Err(SqlError::new(
                            1911,
                            16,
                            1,
                            format!("Column name '{column}' does not exist in the target table or view."),
                        ));
                    };
                    if *primary {
                        table.columns[position].nullable = false;
                    }
                    keys.push((table.columns[position].id, *descending));
                }
                let clustered = clustered.unwrap_or(*primary) && !table.indexes.iter().any(|index| index.clustered);
                let (object_id, name) = name(edit, if *primary { "PK" } else { "UQ" }, "", table);
                let id = next_index_id(table, clustered);
                let kind = if *primary { IndexKind::PrimaryKey } else { IndexKind::UniqueConstraint };
                table.indexes.push(Index {
                    id,
                    object_id,
                    name,
                    kind,
                    unique: true,
                    clustered,
                    columns: keys,
                    included: Vec::new(),
                    filter: None,
                    system_named,
                });
            }
            ConstraintKind::Check(expr) => {
                let column = at.and_then(|at| table.column(at)).map_or(0, |column| column.id);
                let (id, name) = name(edit, "CK", at.unwrap_or_default(), table);
                table.checks.push(Check { id, name, text: parse::default_text(expr), column, system_named });
            }
            ConstraintKind::ForeignKey { columns, table: other, referenced, cascade } => {
                let schema = other.schema.clone().unwrap_or_else(|| table.schema.clone());
                let own = Folded::new(&other.object) == Folded::new(&table.name)
                    && Folded::new(&schema) == Folded::new(&table.schema);
                let target = if own {
                    Some(table.clone())
                } else {
                    edit.catalog.table(&schema, &other.object).map(|table| Table::clone(table))
                };
                let Some(target) = target else {
                    return Err(SqlError::new(
                        1767,
                        16,
                        0,
                        format!(
                            "Foreign key '{}' references invalid table '{}'.",
                            constraint.name.as_deref().unwrap_or_default(),
                            other.text()
                        ),
                    ));
                };
                if *cascade {
                    return Err(errors::unsupported("ON DELETE CASCADE"));
                }
                let keys: Vec<i32> = if referenced.is_empty() {
                    target.primary_key().map(|key| key.columns.iter().map(|(id, _)| *id).collect()).unwrap_or_default()
                } else {
                    referenced.iter().filter_map(|name| target.column(name)).map(|column| column.id).collect()
                };
                let own: Vec<i32> =
                    columns.iter().filter_map(|name| table.column(name)).map(|column| column.id).collect();
                if own.len() != keys.len() || own.is_empty() {
                    return Err(SqlError::new(
                        1776,
                        16,
                        0,
                        format!(
                            "There are no primary or candidate keys in the referenced table '{}' that match the referencing column list in the foreign key.",
                            other.text()
                        ),
                    ));
                }
                let (id, name) = name(edit, "FK", columns.first().map_or("", String::as_str), table);
                table.foreign_keys.push(ForeignKey {
                    id,
                    name,
                    columns: own.into_iter().zip(keys).collect(),
                    referenced: target.id,
                    cascade: *cascade,
                    system_named,
                });
            }
            ConstraintKind::Default { column, expr } => {
                let (id, name) = name(edit, "DF", column, table);
                let Some(position) = table.position(column) else { return Err(errors::unknown_column(column)) };
                if table.columns[position].default.is_some() {
                    return Err(SqlError::new(1781, 16, 1, "Column already has a DEFAULT bound to it."));
                }
                table.columns[position].default =
                    Some(ColumnDefault { id, name, text: parse::default_text(expr), system_named });
            }
        }
        Ok(())
    }
}

/// The type of a computed column, from the columns before it, without a session: arithmetic, concatenation and casts.
fn computed_type(table: &Table, expr: &crate::sql::parse::ast::Expr, collation: Collation) -> Type {
    use crate::sql::parse::ast::{Expr, Literal};
    match expr {
        Expr::Column(parts) => {
            parts.last().and_then(|name| table.column(name)).map_or(Type::Int, |column| column.r#type.clone())
        }
        Expr::Cast { to, .. } => types::resolve_cast(to, collation).unwrap_or(Type::Int),
        Expr::Literal(Literal::Text { value, national }) => {
            crate::sql::value::convert::literal_type(value, *national, collation)
        }
        Expr::Literal(Literal::Decimal(_)) => Type::Numeric { precision: 18, scale: 4 },
        Expr::Literal(Literal::Float(_)) => Type::Float,
        Expr::Binary(left, op, right) => {
            let (left, right) = (computed_type(table, left, collation), computed_type(table, right, collation));
            crate::sql::value::arithmetic::plan(*op, &left, &right)
                .map_or_else(|_| types::unify(&left, &right), |plan| plan.result)
        }
        Expr::Unary(_, inner) | Expr::Collate(inner, _) => computed_type(table, inner, collation),
        Expr::Case { branches, otherwise, .. } => {
            let kinds = branches
                .iter()
                .map(|(_, then)| then)
                .chain(otherwise.iter().map(|otherwise| &**otherwise))
                .map(|expr| computed_type(table, expr, collation));
            kinds.reduce(|left, right| types::unify(&left, &right)).unwrap_or(Type::Int)
        }
        Expr::Call(call) => call.arguments.first().map_or(Type::Int, |first| computed_type(table, first, collation)),
        _ => Type::Int,
    }
}
