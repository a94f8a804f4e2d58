//! The rows that a statement means.

use super::Changed;
use crate::data::{Column, SqlError, Type};
use crate::sql::catalog::physical_column;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::parse::ast::{Expr, ObjectName, TableRef, Target, Top};
use crate::sql::plan::{Binder, Plan, Scope as NameScope};

impl Core {
    pub(super) fn target_of(&mut self, target: &Target, from: &[TableRef], frame: &Frame) -> Result<Changed, SqlError> {
        match Self::aliased(target, from) {
            Some(name) => self.changed(&Target::Named { name: name.clone(), hints: Vec::new() }, frame),
            None => self.changed(target, frame),
        }
    }

    /// The table behind a target that may be an alias of the statement's own `FROM`.
    fn aliased<'t>(target: &'t Target, from: &'t [TableRef]) -> Option<&'t ObjectName> {
        let Target::Named { name, .. } = target else { return None };
        if name.schema.is_some() || name.database.is_some() {
            return None;
        }
        from.iter().find_map(|table| find_alias(table, &name.object))
    }

    /// The rows that an `UPDATE` or `DELETE` means: row number, values, and what else is asked for.
    #[expect(clippy::too_many_arguments, reason = "the parts of a statement")]
    pub(super) fn matching(
        &mut self,
        changed: &Changed,
        target: &Target,
        from: &[TableRef],
        filter: Option<&Expr>,
        top: Option<&Top>,
        frame: &Frame,
        more: impl FnOnce(&mut Binder<'_>) -> Result<Vec<(String, Type)>, SqlError>,
    ) -> Result<Plan, SqlError> {
        let mut binder = Binder::new(self, frame);
        binder.scopes.push(NameScope::default());
        let mut parts: Vec<String> = Vec::new();
        for table in from {
            parts.push(binder.table_ref(table)?);
        }
        let called = target_name(target);
        let alias = match binder
            .scopes
            .last()
            .and_then(|scope| scope.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&called)))
        {
            Some(table) => {
                table.columns.first().and_then(|column| column.bound.sql.split('.').next()).map(str::to_owned)
            }
            None => None,
        };
        let alias = match alias {
            Some(alias) => alias,
            None => {
                let sql = binder.table(&changed.table, &changed.physical, &changed.database, &called, false)?;
                let alias = sql.rsplit(' ').next().unwrap_or_default().to_owned();
                parts.push(sql);
                alias
            }
        };
        let filter = filter.map(|filter| binder.condition(filter)).transpose()?;
        let mut items = vec![(format!("{alias}._rowid_"), Type::BigInt)];
        for column in &changed.table.columns {
            let sql = if column.computed.is_some() {
                "NULL".to_owned()
            } else {
                format!("{alias}.{}", physical_column(&column.name))
            };
            items.push((sql, column.r#type.clone()));
        }
        items.extend(more(&mut binder)?);
        let shown: Vec<_> = items.iter().map(|(sql, _)| sql.as_str()).collect();
        let mut sql = format!("SELECT {} FROM {}", shown.join(", "), parts.join(", "));
        if let Some(filter) = filter {
            sql += &format!(" WHERE {filter}");
        }
        if let Some(top) = top {
            sql += &format!(" LIMIT {}", binder.row_count(&top.count)?);
        }
        let columns = items.into_iter().map(|(_, kind)| Column::new("", kind)).collect();
        Ok(binder.into_plan(sql, columns, Vec::new()))
    }
}

pub(super) fn target_name(target: &Target) -> String {
    match target {
        Target::Named { name, .. } => name.object.clone(),
        Target::Variable(name) => name.clone(),
    }
}

fn find_alias<'t>(table: &'t TableRef, wanted: &str) -> Option<&'t ObjectName> {
    match table {
        TableRef::Named { name, alias: Some(alias), .. } if alias.eq_ignore_ascii_case(wanted) => Some(name),
        TableRef::Named { name, alias: None, .. } if name.object.eq_ignore_ascii_case(wanted) => Some(name),
        TableRef::Join { left, right, .. } | TableRef::Apply { left, right, .. } => {
            find_alias(left, wanted).or_else(|| find_alias(right, wanted))
        }
        _ => None,
    }
}
