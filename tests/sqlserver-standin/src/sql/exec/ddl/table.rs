//! Tables, temporary ones and variables: made and dropped.

use super::builder::Builder;
use super::put;
use super::storage::{make, run};
use crate::cdc::Ddl;
use crate::data::{Column, SqlError};
use crate::locks::{Mode, Scope};
use crate::sql::exec::core::Core;
use crate::sql::exec::lookup::physical_name;
use crate::sql::exec::server::lock;
use crate::sql::parse::ast::{ColumnDefinition, ColumnKind, Constraint, CreateTable, ObjectName};
use crate::sql::{errors, parse, types};

impl Core {
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
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

    pub(in crate::sql::exec) fn create_table_from(
        &mut self,
        name: &ObjectName,
        columns: Vec<ColumnDefinition>,
    ) -> Result<(), SqlError> {
        self.create_table(&CreateTable { name: name.clone(), columns, constraints: Vec::new(), indexes: Vec::new() })
    }

    pub(in crate::sql::exec) fn create_table_variable(
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

    pub(in crate::sql::exec) fn drop_table_variable(&mut self, id: i32) {
        let dropped = self.edit_temporary(|edit, connection| {
            run(connection, &format!("DROP TABLE IF EXISTS main.t{id}"))?;
            edit.drop_table(id).map_err(|error| errors::storage(&error))
        });
        if let Err(error) = dropped {
            tracing::debug!(%error, "a table variable stays until the session ends");
        }
    }

    pub(super) fn drop_table(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
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
}

/// The definitions of a table that a query's columns make.
pub(in crate::sql::exec) fn definitions_of(columns: &[Column]) -> Result<Vec<ColumnDefinition>, SqlError> {
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
