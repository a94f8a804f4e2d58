//! `ALTER TABLE`.

use super::alias::Declared;
use super::builder::Builder;
use super::index::{make_index, unmake_index};
use super::storage::{column_sql, run};
use super::{collation_named, put};
use crate::cdc::Ddl;
use crate::data::{Datum, SqlError};
use crate::locks::{Mode, Scope};
use crate::sql::catalog::{Catalog, Folded, IndexKind, Table, physical_column};
use crate::sql::exec::core::{Core, InDatabase};
use crate::sql::exec::frame::Frame;
use crate::sql::exec::lookup::physical_name;
use crate::sql::parse::ast::{AlterTable, ObjectName, TypeName};
use crate::sql::value::convert::{Settings, assign};
use crate::sql::value::encode::{from_sqlite, to_sqlite};
use crate::sql::{errors, parse};

impl Core {
    pub(super) fn alter_table(&mut self, name: &ObjectName, change: &AlterTable, text: &str) -> Result<(), SqlError> {
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
            return Err(errors::unsupported("ALTER", "ALTER TABLE of a temporary table"));
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
                    let ddl = Ddl::DropColumn { object_id: id, text };
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
            let value = self.value_as(&expr, &Frame::default(), &column.r#type)?;
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
        let Declared { kind, alias, nullable: usually_null } = Declared::of(&*self.catalog(database.id)?, to, of)?;
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
            table.columns[at].alias = alias;
            table.columns[at].nullable = nullable.unwrap_or(usually_null);
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
}

fn current_table(catalog: &Catalog, id: i32) -> Result<Table, SqlError> {
    catalog.tables.get(&id).map(|table| Table::clone(table)).ok_or_else(|| errors::unknown_object(&id.to_string()))
}
