//! A table's description, made from what was written.

use super::alias::Declared;
use super::collation_named;
use super::computed::computed_type;
use super::index::add_index;
use crate::data::{Collation, SqlError, Type};
use crate::sql::catalog::{self, ColumnDefault, Computed, Edit, Table, TableColumn};
use crate::sql::parse;
use crate::sql::parse::ast::{ColumnDefinition, ColumnKind, ConstraintKind, CreateTable};

/// Makes a table's description from what was written.
pub(super) struct Builder {
    pub(super) collation: Collation,
    pub(super) now: i64,
    pub(super) shipped: bool,
}

impl Builder {
    pub(super) fn table(&self, edit: &mut Edit<'_>, schema: &str, create: &CreateTable) -> Result<Table, SqlError> {
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

    pub(super) fn column(
        &self,
        edit: &mut Edit<'_>,
        table: &mut Table,
        column: &ColumnDefinition,
    ) -> Result<(), SqlError> {
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
        let (Declared { kind, alias, nullable: usually_null }, computed) = match &column.kind {
            ColumnKind::Typed(name) => (Declared::of(&edit.catalog, name, collation)?, None),
            ColumnKind::Computed { expr, persisted } => {
                let computed = Computed { text: parse::default_text(expr), persisted: *persisted };
                (
                    Declared { kind: computed_type(table, expr, self.collation), alias: None, nullable: true },
                    Some(computed),
                )
            }
        };
        let identity =
            column.identity.as_ref().map(|(seed, step)| (seed.parse().unwrap_or(1), step.parse().unwrap_or(1)));
        let key = column
            .constraints
            .iter()
            .any(|constraint| matches!(constraint.kind, ConstraintKind::Key { primary: true, .. }));
        let never_null = identity.is_some() || key || kind == Type::RowVersion;
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
            alias,
            nullable: !never_null && column.nullable.unwrap_or(usually_null),
            identity,
            default,
            computed,
            rowguidcol: column.rowguidcol,
        });
        Ok(())
    }
}
