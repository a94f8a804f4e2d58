//! Indexes: made and dropped, also those of keys.

use rusqlite::Connection;

use super::put;
use super::storage::{column_sql, run};
use crate::cdc::Ddl;
use crate::data::SqlError;
use crate::sql::catalog::{Edit, Folded, Index, IndexKind, Table, TableColumn, physical_column, quoted};
use crate::sql::exec::core::Core;
use crate::sql::parse::ast::{CreateIndex, ObjectName};
use crate::sql::value::collate::sqlite_name;
use crate::sql::{errors, parse};

impl Core {
    pub(super) fn create_index(&mut self, create: &CreateIndex) -> Result<(), SqlError> {
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

    pub(super) fn drop_index(&mut self, name: &str, table: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
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
}

pub(super) fn add_index(table: &mut Table, create: &CreateIndex) -> Result<(), SqlError> {
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

pub(super) fn next_index_id(table: &mut Table, clustered: bool) -> i32 {
    if clustered {
        return 1;
    }
    table.last_index_id = table.last_index_id.max(1) + 1;
    table.last_index_id
}

pub(super) fn make_index(connection: &Connection, file: &str, table: &Table, index: &Index) -> Result<(), SqlError> {
    let columns: Vec<&TableColumn> = index.columns.iter().filter_map(|(id, _)| table.column_by_id(*id)).collect();
    if columns.iter().any(|column| column.computed.is_some()) {
        return Err(errors::unsupported("INDEX", "an index of a computed column"));
    }
    // In a unique index nulls are equal for SQL Server and different for SQLite: a value replaces null there.
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

pub(super) fn unmake_index(connection: &Connection, file: &str, table: i32, index: &Index) -> Result<(), SqlError> {
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
