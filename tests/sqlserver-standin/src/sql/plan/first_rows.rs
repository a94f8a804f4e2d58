//! The first rows of a query: `TOP` in its forms, `OFFSET` and `FETCH`.

use super::Binder;
use super::query::{OutputColumn, output_named};
use crate::data::{Datum, SqlError, Type};
use crate::sql::parse::ast::{Expr, Literal, Query, Select};
use crate::sql::value::number::Number;
use crate::sql::{errors, types};

impl Binder<'_> {
    /// `TOP`, or `OFFSET` and `FETCH`; whether there can be one row at most.
    pub(super) fn first_rows(
        &mut self,
        select: &Select,
        query: &Query,
        width: usize,
        sql: &mut String,
    ) -> Result<bool, SqlError> {
        if let Some(top) = &select.top {
            if query.offset.is_some() {
                return Err(SqlError::new(
                    10_741,
                    15,
                    1,
                    "A TOP can not be used in the same query or sub-query as an OFFSET.",
                ));
            }
            let count = if top.percent { self.percentage(&top.count, sql)? } else { self.row_count(&top.count)? };
            if top.ties {
                let shown: Vec<_> = (0..width).map(|at| format!("c{at}")).collect();
                let shown = shown.join(", ");
                *sql = format!("SELECT {shown} FROM ({sql}) WHERE standin_rank <= {count} ORDER BY standin_rank");
                return Ok(false);
            }
            *sql += &format!(" LIMIT {count}");
            return Ok(!top.percent && matches!(&top.count, Expr::Literal(Literal::Integer(one)) if one == "1"));
        }
        if let Some(offset) = &query.offset {
            let offset = self.row_count(offset)?;
            let fetch = query.fetch.as_ref().map(|fetch| self.row_count(fetch)).transpose()?;
            *sql += &format!(" LIMIT {} OFFSET {offset}", fetch.unwrap_or_else(|| "-1".to_owned()));
        }
        Ok(false)
    }

    /// For `WITH TIES`: each row's rank in the order of the query.
    pub(super) fn ranked(
        &mut self,
        select: &Select,
        query: &Query,
        columns: &[OutputColumn],
    ) -> Result<Option<String>, SqlError> {
        if !select.top.as_ref().is_some_and(|top| top.ties) {
            return Ok(None);
        }
        if query.order.is_empty() {
            return Err(SqlError::new(
                1062,
                15,
                1,
                "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.",
            ));
        }
        if select.distinct {
            return Err(errors::unsupported("DISTINCT", "DISTINCT with TOP .. WITH TIES"));
        }
        let mut parts = Vec::new();
        for item in &query.order {
            let bound = match output_named(&item.expr, columns)? {
                Some(at) => columns[at].bound.clone(),
                None => self.value(&item.expr)?,
            };
            parts.push(format!("{}{}", Self::sortable(&bound), if item.descending { " DESC" } else { "" }));
        }
        Ok(Some(format!("RANK() OVER (ORDER BY {}) AS standin_rank", parts.join(", "))))
    }

    /// That part of the rows of a query, rounded up.
    fn percentage(&mut self, expr: &Expr, sql: &str) -> Result<String, SqlError> {
        let scopes = std::mem::take(&mut self.scopes);
        let bound = self.value(expr);
        self.scopes = scopes;
        let bound = bound?;
        let number = bound.constant.as_ref().and_then(Number::of);
        if number.is_some_and(|number| !(0.0..=100.0).contains(&number.approximate())) {
            return Err(SqlError::new(1031, 15, 1, "Percent values must be between 0 and 100."));
        }
        let part = self.in_type(&bound, &Type::Float)?;
        Ok(format!(
            "(SELECT CAST(part AS INTEGER) + (part > CAST(part AS INTEGER)) FROM (SELECT count(*) * {part} / 100.0 AS part FROM ({sql})))"
        ))
    }

    /// A count of rows; columns are not in sight.
    pub(crate) fn row_count(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let scopes = std::mem::take(&mut self.scopes);
        let bound = self.value(expr);
        self.scopes = scopes;
        let bound = bound?;
        let number = |value: &Datum| Number::of(value).and_then(Number::truncated);
        match &bound.constant {
            Some(Datum::Null) => return Err(errors::negative_top()),
            Some(constant) if number(constant).is_some_and(|count| count < 0) => {
                return Err(SqlError::new(127, 15, 1, "A TOP N or FETCH rowcount value may not be negative."));
            }
            _ => {}
        }
        if !types::is_number(&bound.r#type) && bound.r#type != Type::Variant {
            return Err(errors::negative_top());
        }
        self.in_type(&bound, &Type::BigInt)
    }
}
