//! Queries: the select list, grouping, order, the first rows, and queries put together.

use crate::data::{Column, SqlError};
use crate::sql::catalog::Folded;
use crate::sql::errors;
use crate::sql::parse::ast::{Expr, Literal, OrderItem, Query, QueryBody, Select, SelectItem, SetOp};
use std::sync::Arc;

use super::bound::ColumnFacts;
use super::compare::collate_suffix;
use super::{Binder, Bound, CteScope, Scope, aggregate};

/// Where a query occurs, which decides what it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    /// A value or a list of values.
    Subquery,
    Exists,
    /// A table: columns need names.
    Derived,
}

/// A bound query. In its SQL the columns are called `c0`, `c1`, ...
#[derive(Debug)]
pub(crate) struct BoundQuery {
    pub(crate) sql: String,
    pub(crate) columns: Vec<OutputColumn>,
    pub(crate) order: Vec<u16>,
    /// Has at most one row, whatever the tables hold.
    pub(crate) single: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) bound: Bound,
}

impl OutputColumn {
    pub(crate) fn column(&self) -> Column {
        let facts = self.bound.column.clone().unwrap_or_default();
        Column {
            name: self.name.clone(),
            r#type: self.bound.r#type.clone(),
            nullable: self.bound.nullable,
            identity: facts.identity,
            computed: facts.computed,
            updatable: facts.updatable,
            table: facts.table,
        }
    }
}

impl Binder<'_> {
    pub(crate) fn query(&mut self, query: &Query, place: Place) -> Result<BoundQuery, SqlError> {
        let outer = self.ctes.len();
        for cte in &query.with {
            let sees = self.ctes.len();
            self.ctes.push(CteScope {
                name: cte.name.clone(),
                columns: cte.columns.clone(),
                query: Arc::new(cte.query.clone()),
                sees,
            });
        }
        let bound = self.query_body(query, place);
        self.ctes.truncate(outer);
        bound
    }

    fn query_body(&mut self, query: &Query, place: Place) -> Result<BoundQuery, SqlError> {
        match &query.body {
            QueryBody::Select(select) => {
                let sorted_for_nothing =
                    place != Place::Top && !query.order.is_empty() && select.top.is_none() && query.offset.is_none();
                if sorted_for_nothing {
                    return Err(errors::order_in_view());
                }
                self.select(select, query, place)
            }
            QueryBody::Set { .. } => {
                let bound = self.set_operation(&query.body)?;
                self.sorted_set(bound, query, place)
            }
        }
    }

    fn select(&mut self, select: &Select, query: &Query, place: Place) -> Result<BoundQuery, SqlError> {
        self.scopes.push(Scope::default());
        let bound = self.select_in_scope(select, query, place);
        self.scopes.pop();
        bound
    }

    fn select_in_scope(&mut self, select: &Select, query: &Query, place: Place) -> Result<BoundQuery, SqlError> {
        let from = self.from(&select.from)?;
        let filter = select.filter.as_ref().map(|filter| self.condition(filter)).transpose()?;
        let aggregated = self.group(select, query)?;
        let group = self.group_sql();
        let having = select.having.as_ref().map(|having| self.condition(having)).transpose()?;
        let columns = self.items(&select.items)?;
        if columns.is_empty() {
            return Err(errors::syntax_near("FROM"));
        }
        if place == Place::Subquery && columns.len() != 1 {
            return Err(errors::subquery_columns());
        }
        let mut sql = format!("SELECT {}", if select.distinct { "DISTINCT " } else { "" });
        let (order_sql, order) = self.order(&query.order, &columns, &select.items, select.distinct)?;
        let ranked = self.ranked(select, query, &columns)?;
        let items = columns.iter().enumerate();
        let mut items: Vec<_> = items
            .map(|(at, column)| {
                let collate = if select.distinct { collate_suffix(&column.bound.r#type) } else { String::new() };
                format!("{}{collate} AS c{at}", column.bound.sql)
            })
            .collect();
        items.extend(ranked);
        sql += &items.join(", ");
        for (word, part) in [
            (" FROM ", Some(from).filter(|from| !from.is_empty())),
            (" WHERE ", filter),
            (" GROUP BY ", group),
            (" HAVING ", having),
        ] {
            if let Some(part) = part {
                sql += word;
                sql += &part;
            }
        }
        sql += &order_sql;
        let one = self.first_rows(select, query, columns.len(), &mut sql)?;
        let single = one || (select.from.is_empty()) || (aggregated && select.group.is_empty());
        Ok(BoundQuery { sql, columns, order, single })
    }

    /// Settles whether the query groups, and by what. A query that sums up without `GROUP BY` groups by nothing.
    fn group(&mut self, select: &Select, query: &Query) -> Result<bool, SqlError> {
        let in_items = select.items.iter().any(|item| match item {
            SelectItem::Expr { expr, .. } | SelectItem::Assign { expr, .. } => has_aggregate(expr),
            SelectItem::Star | SelectItem::QualifiedStar(_) => false,
        });
        let in_order = query.order.iter().any(|item| has_aggregate(&item.expr));
        let aggregated = in_items || in_order || select.having.is_some() || !select.group.is_empty();
        if !aggregated {
            return Ok(false);
        }
        let mut groups = Vec::new();
        for expr in &select.group {
            let bound = self.value(expr)?;
            if bound.constant.is_some() {
                return Err(SqlError::new(
                    164,
                    15,
                    1,
                    "Each GROUP BY expression must contain at least one column that is not an outer reference.",
                ));
            }
            groups.push((expr.clone(), bound.sql.clone(), Self::sortable(&bound)));
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.groups = Some(groups.into_iter().map(|(expr, sql, _)| (expr, sql)).collect());
        }
        Ok(true)
    }

    fn group_sql(&mut self) -> Option<String> {
        let groups = self.scopes.last()?.groups.clone()?;
        let mut sql = Vec::new();
        for (expr, _) in &groups {
            let was = self.set_free(true);
            let bound = self.value(expr);
            self.set_free(was);
            sql.push(Self::sortable(&bound.ok()?));
        }
        (!sql.is_empty()).then(|| sql.join(", "))
    }

    fn items(&mut self, items: &[SelectItem]) -> Result<Vec<OutputColumn>, SqlError> {
        let mut columns = Vec::new();
        let mut assigned = 0;
        for item in items {
            match item {
                SelectItem::Star => self.star(&[], &mut columns)?,
                SelectItem::QualifiedStar(qualifier) => self.star(qualifier, &mut columns)?,
                SelectItem::Expr { expr, alias } => {
                    let bound = self.value(expr)?;
                    let own = match expr {
                        Expr::Column(parts) => parts.last().cloned(),
                        _ => None,
                    };
                    let facts = bound.column.as_ref().filter(|_| matches!(expr, Expr::Column(_)));
                    let name =
                        alias.clone().or_else(|| facts.map(|facts| facts.name.clone())).or(own).unwrap_or_default();
                    columns.push(OutputColumn { name, bound });
                }
                SelectItem::Assign { variable, op, expr } => {
                    let kind = self.frame.variable(variable).map(|variable| variable.r#type.clone());
                    let kind = kind.ok_or_else(|| errors::undeclared_variable(variable))?;
                    let bound = self.value(expr)?;
                    let bound = match op {
                        Some(op) => {
                            let current = self.variable(variable)?;
                            self.arithmetic(&current, *op, &bound)?
                        }
                        None => bound,
                    };
                    let sql = self.in_type(&bound, &kind)?;
                    columns.push(OutputColumn { name: String::new(), bound: Bound::new(sql, kind, true) });
                    assigned += 1;
                }
            }
        }
        if assigned != 0 && assigned != columns.len() {
            return Err(errors::assigns_and_returns());
        }
        Ok(columns)
    }

    pub(crate) fn star(&mut self, qualifier: &[String], columns: &mut Vec<OutputColumn>) -> Result<(), SqlError> {
        let Some(scope) = self.scopes.last() else { return Err(errors::syntax_near("*")) };
        if scope.tables.is_empty() {
            return Err(SqlError::new(263, 16, 1, "Must specify table to select from."));
        }
        if !scope.has_table(qualifier) {
            return Err(errors::unbound_prefix(&qualifier.join(".")));
        }
        for table in scope.tables.iter().filter(|table| table.is_called(qualifier)) {
            for column in &table.columns {
                if scope.groups.as_ref().is_some_and(|groups| !groups.iter().any(|(_, sql)| *sql == column.bound.sql)) {
                    return Err(errors::not_grouped(&format!("{}.{}", table.name, column.name)));
                }
                columns.push(OutputColumn { name: column.name.clone(), bound: column.bound.clone() });
            }
        }
        Ok(())
    }

    fn order(
        &mut self,
        order: &[OrderItem],
        columns: &[OutputColumn],
        items: &[SelectItem],
        distinct: bool,
    ) -> Result<(String, Vec<u16>), SqlError> {
        let plain = items.len() == columns.len()
            && !items.iter().any(|item| matches!(item, SelectItem::Star | SelectItem::QualifiedStar(_)));
        let mut parts = Vec::new();
        let mut ordinals = Vec::new();
        for item in order {
            let written =
                |at: &usize| plain && matches!(&items[*at], SelectItem::Expr { expr, .. } if *expr == item.expr);
            let column = match output_named(&item.expr, columns)? {
                Some(at) => Some(at),
                None => (0..columns.len()).find(written),
            };
            let sql = match column {
                Some(at) => {
                    ordinals.push(u16::try_from(at + 1).unwrap_or(u16::MAX));
                    Self::sortable(&Bound { sql: format!("c{at}"), ..columns[at].bound.clone() })
                }
                None => {
                    let bound = self.value(&item.expr)?;
                    let shown = columns.iter().position(|column| column.bound.sql == bound.sql);
                    if distinct && shown.is_none() {
                        return Err(SqlError::new(
                            145,
                            15,
                            1,
                            "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
                        ));
                    }
                    ordinals.push(shown.map_or(0, |at| u16::try_from(at + 1).unwrap_or(0)));
                    Self::sortable(&bound)
                }
            };
            parts.push(format!("{sql}{}", if item.descending { " DESC" } else { "" }));
        }
        if parts.is_empty() {
            return Ok((String::new(), Vec::new()));
        }
        // A place of 0 says that the rows are sorted by what is not shown.
        Ok((format!(" ORDER BY {}", parts.join(", ")), ordinals))
    }

    pub(super) fn set_operation(&mut self, body: &QueryBody) -> Result<BoundQuery, SqlError> {
        match body {
            QueryBody::Select(select) => {
                let nothing = Query {
                    with: Vec::new(),
                    body: QueryBody::Select(select.clone()),
                    order: Vec::new(),
                    offset: None,
                    fetch: None,
                    max_recursion: None,
                };
                self.select(select, &nothing, Place::Exists)
            }
            QueryBody::Set { left, op, right } => {
                let (left, right) = (self.set_operation(left)?, self.set_operation(right)?);
                self.combine(left, *op, &right)
            }
        }
    }

    fn combine(&mut self, left: BoundQuery, op: SetOp, right: &BoundQuery) -> Result<BoundQuery, SqlError> {
        if left.columns.len() != right.columns.len() {
            return Err(errors::set_operation_columns());
        }
        let mut columns = Vec::new();
        let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
        for (at, (a, b)) in left.columns.iter().zip(&right.columns).enumerate() {
            let kind = self.common(&[&a.bound, &b.bound]);
            let inner = |bound: &Bound| Bound { sql: format!("c{at}"), constant: None, ..bound.clone() };
            let collate = if op == SetOp::UnionAll { String::new() } else { collate_suffix(&kind) };
            of_left.push(format!("{}{collate} AS c{at}", self.in_type(&inner(&a.bound), &kind)?));
            of_right.push(format!("{} AS c{at}", self.in_type(&inner(&b.bound), &kind)?));
            let nullable = a.bound.nullable || b.bound.nullable;
            let null = a.bound.null && b.bound.null;
            columns.push(OutputColumn {
                name: a.name.clone(),
                bound: Bound { null, ..Bound::new(format!("c{at}"), kind, nullable) },
            });
        }
        let word = match op {
            SetOp::Union => "UNION",
            SetOp::UnionAll => "UNION ALL",
            SetOp::Except => "EXCEPT",
            SetOp::Intersect => "INTERSECT",
        };
        let sql = format!(
            "SELECT {} FROM ({}) {word} SELECT {} FROM ({})",
            of_left.join(", "),
            left.sql,
            of_right.join(", "),
            right.sql
        );
        Ok(BoundQuery { sql, columns, order: Vec::new(), single: false })
    }

    fn sorted_set(&mut self, mut bound: BoundQuery, query: &Query, place: Place) -> Result<BoundQuery, SqlError> {
        if place == Place::Subquery && bound.columns.len() != 1 {
            return Err(errors::subquery_columns());
        }
        if query.order.is_empty() {
            return Ok(bound);
        }
        if place != Place::Top && query.offset.is_none() {
            return Err(errors::order_in_view());
        }
        let mut parts = Vec::new();
        for item in &query.order {
            let Some(at) = output_named(&item.expr, &bound.columns)? else {
                return Err(SqlError::new(
                    104,
                    15,
                    1,
                    "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator.",
                ));
            };
            bound.order.push(u16::try_from(at + 1).unwrap_or(u16::MAX));
            parts.push(format!(
                "{}{}",
                Self::sortable(&bound.columns[at].bound),
                if item.descending { " DESC" } else { "" }
            ));
        }
        let mut sql = format!("SELECT * FROM ({}) ORDER BY {}", bound.sql, parts.join(", "));
        if let Some(offset) = &query.offset {
            let offset = self.row_count(offset)?;
            let fetch = query.fetch.as_ref().map(|fetch| self.row_count(fetch)).transpose()?;
            sql += &format!(" LIMIT {} OFFSET {offset}", fetch.unwrap_or_else(|| "-1".to_owned()));
        }
        bound.sql = sql;
        Ok(bound)
    }
}

/// The output column that `ORDER BY` means by its place or its name.
pub(super) fn output_named(expr: &Expr, columns: &[OutputColumn]) -> Result<Option<usize>, SqlError> {
    match expr {
        Expr::Literal(Literal::Integer(digits)) => {
            let place = digits.parse::<usize>().ok().filter(|place| (1..=columns.len()).contains(place));
            place.map(|place| Some(place - 1)).ok_or_else(|| {
                SqlError::new(108, 15, 1, format!("The ORDER BY position number {digits} is out of range of the number of items in the select list."))
            })
        }
        Expr::Column(parts) => {
            let [name] = parts.as_slice() else { return Ok(None) };
            let wanted = Folded::new(name);
            let mut named = columns.iter().enumerate().filter(|(_, column)| Folded::new(&column.name) == wanted);
            let first = named.next();
            if let (Some((_, first)), Some((_, second))) = (first, named.next())
                && first.bound.sql != second.bound.sql
            {
                return Err(errors::ambiguous_column(name));
            }
            Ok(first.map(|(at, _)| at))
        }
        _ => Ok(None),
    }
}

/// Whether an expression sums up rows of its own query.
fn has_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => {
            let own = call.over.is_none() && aggregate::named(&call.name).is_some();
            own || call.arguments.iter().any(has_aggregate)
                || call.over.iter().any(|over| {
                    over.partition.iter().any(has_aggregate) || over.order.iter().any(|item| has_aggregate(&item.expr))
                })
        }
        Expr::Unary(_, inner) | Expr::Not(inner) | Expr::Collate(inner, _) => has_aggregate(inner),
        Expr::IsNull { expr, .. } | Expr::Cast { expr, .. } | Expr::Parse { expr, .. } => has_aggregate(expr),
        Expr::InQuery { expr, .. } | Expr::Quantified { expr, .. } => has_aggregate(expr),
        Expr::Binary(left, _, right) | Expr::AtTimeZone(left, right) => has_aggregate(left) || has_aggregate(right),
        Expr::Between { expr, low, high, .. } => has_aggregate(expr) || has_aggregate(low) || has_aggregate(high),
        Expr::InList { expr, list, .. } => has_aggregate(expr) || list.iter().any(has_aggregate),
        Expr::Like { expr, pattern, .. } => has_aggregate(expr) || has_aggregate(pattern),
        Expr::Case { operand, branches, otherwise } => {
            operand.iter().any(|operand| has_aggregate(operand))
                || branches.iter().any(|(when, then)| has_aggregate(when) || has_aggregate(then))
                || otherwise.iter().any(|otherwise| has_aggregate(otherwise))
        }
        Expr::Literal(_) | Expr::Column(_) | Expr::Variable(_) | Expr::Exists(_) | Expr::Subquery(_) => false,
    }
}

/// What a table's column says of itself in a result.
pub(crate) fn facts_of(name: &str, identity: bool, computed: bool, table: Vec<String>) -> ColumnFacts {
    ColumnFacts { name: name.to_owned(), identity, computed, updatable: !identity && !computed, table }
}
