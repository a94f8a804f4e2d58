//! `OUTPUT`.

use super::{Changed, Pair, count_matches};
use crate::data::{Column, Datum, SqlError};
use crate::session::{Answer, Flow};
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::parse::ast::{Expr, Output, SelectItem};
use crate::sql::plan::{Binder, Bound, Scope as NameScope, ScopeColumn, ScopeTable};
use crate::sql::{errors, types};

impl Core {
    /// `OUTPUT inserted.a, deleted.b [INTO t]`: a query over the rows that were changed.
    pub(super) fn output(
        &mut self,
        output: Option<&Output>,
        changed: &Changed,
        pairs: &[Pair],
        frame: &Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        self.output_of(output, changed, pairs, frame, answer, false)
    }

    /// The same; with `action`, `$action` says what happened to each row.
    #[expect(clippy::too_many_arguments, reason = "each is another thing that it needs")]
    pub(super) fn output_of(
        &mut self,
        output: Option<&Output>,
        changed: &Changed,
        pairs: &[Pair],
        frame: &Frame,
        answer: &mut dyn Answer,
        action: bool,
    ) -> Result<(), SqlError> {
        let Some(output) = output else { return Ok(()) };
        let columns: Vec<Column> = changed
            .table
            .columns
            .iter()
            .map(|column| Column { nullable: column.nullable, ..Column::new(&column.name, column.r#type.clone()) })
            .collect();
        let done = Column::new("$action", types::text_of(true, Some(10), changed.database.collation));
        let shown: Vec<Column> = columns.iter().chain(&columns).chain([&done]).cloned().collect();
        let nothing = vec![Datum::Null; columns.len()];
        let rows: Vec<Vec<Datum>> = pairs
            .iter()
            .map(|(before, after)| {
                let values = before.as_ref().unwrap_or(&nothing).iter().chain(after.as_ref().unwrap_or(&nothing));
                values.cloned().chain([what_happened(before.is_some(), after.is_some())]).collect()
            })
            .collect();
        let physical = self.materialise(&shown, &rows)?;
        let mut binder = Binder::new(self, frame);
        let mut scope = NameScope::default();
        for (name, offset) in [("deleted", 0), ("inserted", columns.len())] {
            let shown = columns.iter().enumerate().map(|(at, column)| ScopeColumn {
                name: column.name.clone(),
                bound: Bound::new(format!("o.c{}", at + offset), column.r#type.clone(), column.nullable),
            });
            scope.tables.push(ScopeTable { name: name.to_owned(), columns: shown.collect(), ..ScopeTable::default() });
        }
        if action {
            let bound = Bound::new(format!("o.c{}", 2 * columns.len()), done.r#type.clone(), false);
            let columns = vec![ScopeColumn { name: done.name, bound }];
            scope.tables.push(ScopeTable { columns, ..ScopeTable::default() });
        }
        binder.scopes.push(scope);
        let mut found = Vec::new();
        for item in &output.items {
            match item {
                SelectItem::QualifiedStar(qualifier) => {
                    let mut star = Vec::new();
                    binder.star(qualifier, &mut star)?;
                    found.extend(star.into_iter().map(|column| (column.name, column.bound)));
                }
                SelectItem::Expr { expr, alias } => {
                    let own = if let Expr::Column(parts) = expr { parts.last().cloned() } else { None };
                    found.push((alias.clone().or(own).unwrap_or_default(), binder.value(expr)?));
                }
                SelectItem::Star | SelectItem::Assign { .. } => return Err(errors::syntax_near("*")),
            }
        }
        let items: Vec<_> = found.iter().map(|(_, bound)| bound.sql.as_str()).collect();
        let sql = format!("SELECT {} FROM {physical} AS o ORDER BY o._rowid_", items.join(", "));
        let shown: Vec<Column> = found
            .iter()
            .map(|(name, bound)| Column { nullable: bound.nullable, ..Column::new(name, bound.r#type.clone()) })
            .collect();
        let plan = binder.into_plan(sql, shown, Vec::new());
        let rows = self.collect(&plan)?;
        if let Some((target, names)) = &output.into {
            let into = self.changed(target, frame)?;
            let places = self.insert_places(&into.table, names)?;
            let kinds = count_matches(&plan.columns, places.len()).map_err(|_| errors::values_count())?;
            let rows = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
            self.writing(&into.database.clone(), into.temporary, |core| {
                core.insert_rows(&into, &places, rows, &[kinds])
            })?;
            return Ok(());
        }
        if answer.columns(&plan.columns) == Flow::Continue {
            for row in &rows {
                if answer.row(row) == Flow::Stop {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn what_happened(before: bool, after: bool) -> Datum {
    let text = match (before, after) {
        (true, true) => "UPDATE",
        (true, false) => "DELETE",
        (false, _) => "INSERT",
    };
    Datum::Text(text.to_owned())
}
