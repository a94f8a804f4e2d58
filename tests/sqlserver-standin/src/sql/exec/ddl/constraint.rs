//! Keys, checks, foreign keys and defaults, as they are written in a definition.

use super::builder::Builder;
use super::index::next_index_id;
use crate::data::SqlError;
use crate::sql::catalog::{self, Check, ColumnDefault, Edit, Folded, ForeignKey, Index, IndexKind, Table};
use crate::sql::parse::ast::{Constraint, ConstraintKind};
use crate::sql::{errors, parse};

impl Builder {
    pub(super) fn constraint(
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
                    return Err(errors::unsupported("CASCADE", "ON DELETE CASCADE"));
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
