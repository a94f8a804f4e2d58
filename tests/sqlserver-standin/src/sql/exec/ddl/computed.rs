//! Computed columns.

use crate::data::{Collation, Type};
use crate::sql::catalog::Table;
use crate::sql::parse::ast::{Expr, Literal};
use crate::sql::types;
use crate::sql::value::arithmetic;
use crate::sql::value::convert::literal_type;

/// The type of a computed column, from the columns before it, without a session: arithmetic, concatenation and casts.
pub(super) fn computed_type(table: &Table, expr: &Expr, collation: Collation) -> Type {
    match expr {
        Expr::Column(parts) => {
            parts.last().and_then(|name| table.column(name)).map_or(Type::Int, |column| column.r#type.clone())
        }
        Expr::Cast { to, .. } => types::resolve_cast(to, collation).unwrap_or(Type::Int),
        Expr::Literal(Literal::Text { value, national }) => literal_type(value, *national, collation),
        Expr::Literal(Literal::Decimal(_)) => Type::Numeric { precision: 18, scale: 4 },
        Expr::Literal(Literal::Float(_)) => Type::Float,
        Expr::Binary(left, op, right) => {
            let (left, right) = (computed_type(table, left, collation), computed_type(table, right, collation));
            arithmetic::plan(*op, &left, &right).map_or_else(|_| types::unify(&left, &right), |plan| plan.result)
        }
        Expr::Unary(_, inner) | Expr::Collate(inner, _) => computed_type(table, inner, collation),
        Expr::Case { branches, otherwise, .. } => {
            let kinds = branches
                .iter()
                .map(|(_, then)| then)
                .chain(otherwise.iter().map(|otherwise| &**otherwise))
                .map(|expr| computed_type(table, expr, collation));
            kinds.reduce(|left, right| types::unify(&left, &right)).unwrap_or(Type::Int)
        }
        Expr::Call(call) => call.arguments.first().map_or(Type::Int, |first| computed_type(table, first, collation)),
        _ => Type::Int,
    }
}
