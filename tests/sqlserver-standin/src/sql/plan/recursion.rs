//! Common table expressions that name themselves: an anchor, and a member that goes on from the rows before.

use std::sync::Arc;

use super::query::{BoundQuery, OutputColumn};
use super::{Binder, Body, Bound, ScopeColumn, ScopeTable};
use crate::data::{Datum, SqlError, Type};
use crate::sql::parse::ast::{Query, QueryBody, Select, SetOp, TableRef};
use crate::sql::{errors, types};

/// How deep it goes when no `MAXRECURSION` is said.
pub(super) const LIMIT: i32 = 100;

/// One whose recursive member is being bound.
pub(super) struct Recursion {
    name: String,
    table: String,
    columns: Vec<(String, Type)>,
    /// Under which alias it names itself, once it has.
    alias: Option<String>,
}

/// Anchor and recursive member, if the query names itself.
pub(super) fn members<'q>(query: &'q Query, name: &str) -> Option<(&'q QueryBody, &'q Select)> {
    let QueryBody::Set { left, op: SetOp::UnionAll, right } = &query.body else { return None };
    let QueryBody::Select(member) = &**right else { return None };
    member.from.iter().any(|table| names(table, name)).then_some((&**left, &**member))
}

fn names(table: &TableRef, wanted: &str) -> bool {
    match table {
        TableRef::Named { name, .. } => {
            name.schema.is_none() && name.database.is_none() && name.object.eq_ignore_ascii_case(wanted)
        }
        TableRef::Join { left, right, .. } | TableRef::Apply { left, right, .. } => {
            names(left, wanted) || names(right, wanted)
        }
        _ => false,
    }
}

impl Binder<'_> {
    /// The table in sight that a recursive member means by its own name.
    pub(super) fn recursive_reference(&mut self, name: &str, called: &str) -> Result<Option<String>, SqlError> {
        let Some(at) = self.recursions.iter().rposition(|known| known.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let alias = self.alias();
        let known = &mut self.recursions[at];
        if known.alias.replace(alias.clone()).is_some() {
            let message =
                format!("Recursive member of a common table expression '{name}' has multiple recursive references.");
            return Err(SqlError::new(253, 16, 1, message));
        }
        let columns = known.columns.iter().enumerate().map(|(at, (name, kind))| ScopeColumn {
            name: name.clone(),
            bound: Bound::new(format!("{alias}.c{at}"), kind.clone(), true),
        });
        let table = ScopeTable { name: called.to_owned(), columns: columns.collect(), ..ScopeTable::default() };
        let sql = format!("{} AS {alias}", known.table);
        self.put(table);
        Ok(Some(sql))
    }

    pub(super) fn recursive(
        &mut self,
        name: &str,
        columns: &[String],
        anchor: &QueryBody,
        member: &Select,
    ) -> Result<BoundQuery, SqlError> {
        check_member(name, member)?;
        let anchor = self.set_operation(anchor)?;
        let table = self.alias();
        let called = |at: usize, column: &OutputColumn| columns.get(at).unwrap_or(&column.name).clone();
        let known = anchor.columns.iter().enumerate();
        self.recursions.push(Recursion {
            name: name.to_owned(),
            table: table.clone(),
            columns: known.map(|(at, column)| (called(at, column), column.bound.r#type.clone())).collect(),
            alias: None,
        });
        let bound = self.set_operation(&QueryBody::Select(Box::new(member.clone())));
        let recursion = self.recursions.pop();
        let member = bound?;
        let Some(alias) = recursion.and_then(|recursion| recursion.alias) else {
            return Err(errors::unknown_object(name));
        };
        if member.columns.len() != anchor.columns.len() {
            return Err(errors::set_operation_columns());
        }
        for (at, (first, next)) in anchor.columns.iter().zip(&member.columns).enumerate() {
            if types::text(&first.bound.r#type) != types::text(&next.bound.r#type) {
                let message = format!(
                    "Types don't match between the anchor and the recursive part in column \"{}\" of recursive query \"{name}\".",
                    called(at, first)
                );
                return Err(SqlError::new(240, 16, 1, message));
            }
        }
        let level = self.call_site(&[(format!("{alias}.level"), Type::Int)], false, next_level(self.max_recursion));
        let shown: Vec<_> = (0..anchor.columns.len()).map(|at| format!("c{at}")).collect();
        let shown = shown.join(", ");
        let rest = member.sql.strip_prefix("SELECT ").unwrap_or(&member.sql);
        let sql = format!(
            "WITH RECURSIVE {table} (level, {shown}) AS (SELECT 0, {shown} FROM ({}) UNION ALL SELECT {level}, {rest}) \
             SELECT {shown} FROM {table}",
            anchor.sql
        );
        let columns = anchor.columns.into_iter().enumerate().map(|(at, column)| OutputColumn {
            name: column.name,
            bound: Bound::new(format!("c{at}"), column.bound.r#type, true),
        });
        Ok(BoundQuery { sql, columns: columns.collect(), order: Vec::new(), single: false })
    }
}

/// What cannot stand in a recursive member.
fn check_member(name: &str, member: &Select) -> Result<(), SqlError> {
    let refused = |number, what: &str| {
        let message =
            format!("{what} is not allowed in the recursive part of a recursive common table expression '{name}'.");
        Err(SqlError::new(number, 16, 1, message))
    };
    if member.distinct {
        return refused(460, "DISTINCT operator");
    }
    if member.top.is_some() {
        return refused(461, "The TOP or OFFSET operator");
    }
    if !member.group.is_empty() || member.having.is_some() {
        return refused(467, "GROUP BY, HAVING, or aggregate functions");
    }
    Ok(())
}

/// The level after a row's, or error 530 if it is deeper than `limit`.
fn next_level(limit: i32) -> Arc<Body> {
    Arc::new(move |arguments| match arguments {
        [Datum::Int(level)] if limit > 0 && *level >= limit => {
            let message = format!(
                "The statement terminated. The maximum recursion {limit} has been exhausted before statement completion."
            );
            Err(SqlError::new(530, 16, 1, message))
        }
        [Datum::Int(level)] => Ok(Datum::Int(level.saturating_add(1))),
        _ => Ok(Datum::Null),
    })
}
