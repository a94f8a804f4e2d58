//! Expressions: literals, names, operators, predicates, `CASE`, conversions.

use std::sync::Arc;

use crate::data::{Collation, Datum, SqlError, Type};
use crate::sql::parse::ast::{BinaryOp, Expr, Literal, Query, UnaryOp};
use crate::sql::value::arithmetic;
use crate::sql::value::convert::{self, Settings};
use crate::sql::value::number;
use crate::sql::value::number::parse_exact;
use crate::sql::{errors, function, types};

use super::compare::{collate_suffix, collation_of};
use super::query::Place;
use super::{Binder, Bound};

impl Binder<'_> {
    /// An expression that has a value.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        let bound = self.expr(expr)?;
        if bound.condition { Err(errors::syntax_near("=")) } else { Ok(bound) }
    }

    /// An expression that is true or false, as SQLite asks it.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let bound = self.expr(expr)?;
        if bound.condition { Ok(bound.sql) } else { Err(errors::not_a_condition(&first_word(expr))) }
    }

    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        if self.is_grouped(expr) {
            let was = self.set_free(true);
            let bound = self.expr_inner(expr);
            self.set_free(was);
            return bound;
        }
        self.expr_inner(expr)
    }

    /// Whether a `GROUP BY` has the very expression.
    fn is_grouped(&self, expr: &Expr) -> bool {
        let Some(scope) = self.scopes.last() else { return false };
        let composed = !matches!(expr, Expr::Column(_) | Expr::Literal(_) | Expr::Variable(_));
        composed
            && !scope.free
            && scope.groups.as_ref().is_some_and(|groups| groups.iter().any(|(group, _)| group == expr))
    }

    /// Lets any column stand for a while, or not; gives what was before.
    pub(crate) fn set_free(&mut self, free: bool) -> bool {
        match self.scopes.last_mut() {
            Some(scope) => std::mem::replace(&mut scope.free, free),
            None => false,
        }
    }

    fn expr_inner(&mut self, expr: &Expr) -> Result<Bound, SqlError> {
        match expr {
            Expr::Literal(literal) => Ok(self.literal(literal)),
            Expr::Column(parts) => self.column(parts),
            Expr::Variable(name) => self.variable(name),
            Expr::Unary(op, inner) => self.unary(*op, inner),
            Expr::Binary(left, op @ (BinaryOp::And | BinaryOp::Or), right) => {
                let joint = if *op == BinaryOp::And { "AND" } else { "OR" };
                Ok(Bound::condition(format!("({} {joint} {})", self.condition(left)?, self.condition(right)?)))
            }
            Expr::Binary(left, op, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                if is_comparison(*op) { self.compare(&left, *op, &right) } else { self.arithmetic(&left, *op, &right) }
            }
            Expr::Not(inner) => Ok(Bound::condition(format!("(NOT {})", self.condition(inner)?))),
            Expr::IsNull { expr, negated } => {
                let bound = self.value(expr)?;
                Ok(Bound::condition(format!("({} IS {}NULL)", bound.sql, not(*negated))))
            }
            Expr::Between { expr, low, high, negated } => {
                let (value, low, high) = (self.value(expr)?, self.value(low)?, self.value(high)?);
                let above = self.compare(&value, BinaryOp::GreaterEqual, &low)?;
                let below = self.compare(&value, BinaryOp::LessEqual, &high)?;
                Ok(Bound::condition(format!("({}({} AND {}))", not(*negated), above.sql, below.sql)))
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InQuery { expr, query, negated } => self.in_query(expr, query, *negated),
            Expr::Like { expr, pattern, escape, negated } => self.like(expr, pattern, escape.as_deref(), *negated),
            Expr::Exists(query) => {
                let query = self.query(query, Place::Exists)?;
                Ok(Bound::condition(format!("EXISTS ({})", query.sql)))
            }
            Expr::Subquery(query) => self.subquery(query),
            Expr::Quantified { expr, op, all, query } => self.quantified(expr, *op, *all, query),
            Expr::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            Expr::Cast { expr, to, style, attempt } => {
                // A text keeps its collation. Without one of its own it has that of the database.
                let collation = match &**expr {
                    Expr::Collate(_, name) => Collation::named(name),
                    _ => None,
                };
                let to = types::resolve_cast(to, collation.unwrap_or_else(|| self.collation()))?;
                self.cast(expr, to, style.as_deref(), *attempt)
            }
            Expr::Parse { expr, to, culture, attempt } => {
                if let Some(culture) = culture {
                    self.value(culture)?;
                }
                let to = types::resolve_cast(to, self.collation())?;
                if types::is_text(&to) || types::is_binary(&to) {
                    return Err(errors::bad_argument(&to, 1, "parse"));
                }
                self.cast(expr, to, None, *attempt)
            }
            Expr::Call(call) => self.call(call),
            Expr::Collate(inner, name) => self.collate(inner, name),
            Expr::AtTimeZone(inner, zone) => self.at_time_zone(inner, zone),
        }
    }

    pub(crate) fn literal(&mut self, literal: &Literal) -> Bound {
        let (value, kind) = match literal {
            Literal::Null => {
                return Bound { null: true, constant: Some(Datum::Null), ..Bound::new("NULL", Type::Int, true) };
            }
            Literal::Integer(digits) => match digits.parse::<i32>() {
                Ok(number) => {
                    let constant = Some(Datum::Int(number));
                    return Bound { constant, ..Bound::new(number.to_string(), Type::Int, false) };
                }
                Err(_) => exact_literal(digits),
            },
            Literal::Decimal(digits) => exact_literal(digits),
            Literal::Float(digits) => (Datum::Float(digits.parse().unwrap_or(f64::INFINITY)), Type::Float),
            Literal::Money(digits) => {
                let number = parse_exact(digits).and_then(|(unscaled, scale)| number::rescale(unscaled, scale, 4));
                (Datum::Money(number.and_then(|number| i64::try_from(number).ok()).unwrap_or(0)), Type::Money)
            }
            Literal::Text { value, national } => {
                (Datum::Text(value.clone()), convert::literal_type(value, *national, self.collation()))
            }
            Literal::Binary(bytes) => {
                let length = u16::try_from(bytes.len()).ok().filter(|length| *length <= 8000);
                let length =
                    length.map_or(crate::data::Length::Max, |length| crate::data::Length::Limited(length.max(1)));
                (Datum::Bytes(bytes.clone()), Type::VarBinary { length })
            }
        };
        self.constant(value, kind, false)
    }

    /// A value that is known now.
    pub(crate) fn constant(&mut self, value: Datum, kind: Type, nullable: bool) -> Bound {
        let sql = self.parameter(&value);
        Bound { constant: Some(value), ..Bound::new(sql, kind, nullable) }
    }

    pub(crate) fn variable(&mut self, name: &str) -> Result<Bound, SqlError> {
        if let Some(frame) = self.substitutions.last() {
            return match frame.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)) {
                Some((_, bound)) => Ok(bound.clone()),
                None => Err(errors::undeclared_variable(name)),
            };
        }
        if name.starts_with("@@") {
            let (value, kind) = function::global(self.core, name).ok_or_else(|| errors::undeclared_variable(name))?;
            return Ok(self.constant(value, kind, false));
        }
        let variable = self.frame.variable(name).ok_or_else(|| errors::undeclared_variable(name))?;
        let (value, kind) = (variable.value.clone(), variable.r#type.clone());
        Ok(self.constant(value, kind, true))
    }

    fn column(&mut self, parts: &[String]) -> Result<Bound, SqlError> {
        for scope in self.scopes.iter().rev() {
            if let Some(bound) = scope.find(parts)? {
                return Ok(bound);
            }
        }
        match parts {
            [name] => Err(errors::unknown_column(name)),
            [qualifier @ .., name] => {
                let known = self.scopes.iter().any(|scope| scope.has_table(qualifier));
                Err(if known { errors::unknown_column(name) } else { errors::unbound(&parts.join(".")) })
            }
            [] => Err(errors::unknown_column("")),
        }
    }

    fn unary(&mut self, op: UnaryOp, inner: &Expr) -> Result<Bound, SqlError> {
        // A negative literal is a literal.
        if let (UnaryOp::Minus, Expr::Literal(Literal::Integer(digits))) = (op, inner)
            && let Ok(number) = format!("-{digits}").parse::<i32>()
        {
            let constant = Some(Datum::Int(number));
            return Ok(Bound { constant, ..Bound::new(format!("({number})"), Type::Int, false) });
        }
        let bound = self.value(inner)?;
        let kind = bound.r#type.clone();
        match op {
            UnaryOp::Plus => Ok(bound),
            UnaryOp::Minus if bound.null => Ok(bound),
            UnaryOp::Minus => {
                if !types::is_number(&kind) || kind == Type::Bit {
                    return Err(errors::bad_operand(&kind, "minus"));
                }
                if let Some(constant) = &bound.constant {
                    let value = arithmetic::negate(constant, &kind)?;
                    return Ok(self.constant(value, kind, bound.nullable));
                }
                let of = kind.clone();
                let body = Arc::new(move |values: &[Datum]| arithmetic::negate(&values[0], &of));
                let sql = self.call_site(&[(bound.sql, kind.clone())], false, body);
                Ok(Bound::new(sql, kind, bound.nullable))
            }
            UnaryOp::BitNot => {
                if !types::is_integer(&kind) && kind != Type::Bit {
                    return Err(errors::bad_operand(&kind, "'~'"));
                }
                let sql = match kind {
                    Type::Bit => format!("(1 - {})", bound.sql),
                    Type::TinyInt => format!("(255 - {})", bound.sql),
                    _ => format!("(~{})", bound.sql),
                };
                Ok(Bound::new(sql, kind, bound.nullable))
            }
        }
    }

    pub(crate) fn arithmetic(&mut self, left: &Bound, op: BinaryOp, right: &Bound) -> Result<Bound, SqlError> {
        // A null takes the other's type.
        let (left_type, right_type) = match (left.null, right.null) {
            (true, false) => (&right.r#type, &right.r#type),
            (false, true) => (&left.r#type, &left.r#type),
            _ => (&left.r#type, &right.r#type),
        };
        let plan = arithmetic::plan(op, left_type, right_type)?;
        let text = types::is_text(&plan.result) || types::is_binary(&plan.result);
        let (left_sql, right_sql) = if text && op == BinaryOp::Add {
            (self.converted_for_join(left, &plan.left)?, self.converted_for_join(right, &plan.right)?)
        } else {
            (self.in_type(left, &plan.left)?, self.in_type(right, &plan.right)?)
        };
        let nullable = left.nullable || right.nullable;
        if text && types::is_text(&plan.result) {
            return Ok(Bound::grouped(&format!("{left_sql} || {right_sql}"), plan.result, nullable));
        }
        let result = plan.result.clone();
        let body = Arc::new(move |values: &[Datum]| arithmetic::apply(op, &values[0], &values[1], &result));
        let sql = self.call_site(&[(left_sql, plan.left), (right_sql, plan.right)], false, body);
        Ok(Bound::new(sql, plan.result, nullable))
    }

    /// Texts are joined as they are: their lengths only count for the type of the whole.
    fn converted_for_join(&mut self, bound: &Bound, to: &Type) -> Result<String, SqlError> {
        let same = (types::is_text(&bound.r#type) && types::is_text(to))
            || (types::is_binary(&bound.r#type) && types::is_binary(to));
        if same || bound.null { Ok(bound.sql.clone()) } else { self.in_type(bound, to) }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Bound, SqlError> {
        let value = self.value(expr)?;
        let list: Vec<_> = list.iter().map(|one| self.value(one)).collect::<Result<_, _>>()?;
        let mut all = vec![&value];
        all.extend(&list);
        let kind = self.common(&all);
        let collation = list.first().map(|first| collation_of(&kind, &value, first)).unwrap_or_default();
        let sql = self.ordered(&value, &kind)?;
        let list: Vec<_> = list.iter().map(|one| self.ordered(one, &kind)).collect::<Result<_, _>>()?;
        Ok(Bound::condition(format!("({sql}{collation} {}IN ({}))", not(negated), list.join(", "))))
    }

    fn in_query(&mut self, expr: &Expr, query: &Query, negated: bool) -> Result<Bound, SqlError> {
        let value = self.value(expr)?;
        let inner = self.query(query, Place::Subquery)?;
        let [column] = inner.columns.as_slice() else { return Err(errors::subquery_columns()) };
        let alias = self.alias();
        let found =
            Bound { null: column.bound.null, ..Bound::new(format!("{alias}.c0"), column.bound.r#type.clone(), true) };
        let kind = self.common(&[&value, &found]);
        let collation = collation_of(&kind, &value, &found);
        let (left, right) = (self.ordered(&value, &kind)?, self.ordered(&found, &kind)?);
        Ok(Bound::condition(format!(
            "({left}{collation} {}IN (SELECT {right} FROM ({}) AS {alias}))",
            not(negated),
            inner.sql
        )))
    }

    /// `x > ALL (..)` is not to find one that it is not greater than; `x > ANY (..)` to find one that it is.
    fn quantified(&mut self, expr: &Expr, op: BinaryOp, all: bool, query: &Query) -> Result<Bound, SqlError> {
        let value = self.value(expr)?;
        let inner = self.query(query, Place::Subquery)?;
        let [column] = inner.columns.as_slice() else { return Err(errors::subquery_columns()) };
        let alias = self.alias();
        let found = Bound::new(format!("{alias}.c0"), column.bound.r#type.clone(), true);
        let holds = self.compare(&value, op, &found)?.sql;
        let (outer, holds) = if all { ("NOT EXISTS", format!("NOT {holds}")) } else { ("EXISTS", holds) };
        Ok(Bound::condition(format!("{outer} (SELECT 1 FROM ({}) AS {alias} WHERE {holds})", inner.sql)))
    }

    fn subquery(&mut self, query: &Query) -> Result<Bound, SqlError> {
        let inner = self.query(query, Place::Subquery)?;
        let [column] = inner.columns.as_slice() else { return Err(errors::subquery_columns()) };
        let sql =
            if inner.single { format!("({})", inner.sql) } else { format!("(SELECT single(c0) FROM ({}))", inner.sql) };
        Ok(Bound { null: column.bound.null, ..Bound::new(sql, column.bound.r#type.clone(), true) })
    }

    fn like(&mut self, expr: &Expr, pattern: &Expr, escape: Option<&Expr>, negated: bool) -> Result<Bound, SqlError> {
        let (value, pattern) = (self.value(expr)?, self.value(pattern)?);
        let own = value.r#type.collation().or_else(|| pattern.r#type.collation());
        let collation = own.unwrap_or_else(|| self.collation());
        let text = types::text_of(true, None, collation);
        let mut arguments =
            vec![(self.in_form(&value, &text)?, text.clone()), (self.in_form(&pattern, &text)?, text.clone())];
        if let Some(escape) = escape {
            let escape = self.value(escape)?;
            arguments.push((self.in_form(&escape, &text)?, text));
        }
        let body = Arc::new(move |values: &[Datum]| Ok(function::like(values, collation)));
        let sql = self.call_site(&arguments, false, body);
        Ok(Bound::condition(format!("({}{sql})", not(negated))))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Bound, SqlError> {
        let operand = operand.map(|operand| self.value(operand)).transpose()?;
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (when, then) in branches {
            conditions.push(match &operand {
                Some(operand) => {
                    let when = self.value(when)?;
                    self.compare(operand, BinaryOp::Equal, &when)?.sql
                }
                None => self.condition(when)?,
            });
            values.push(self.value(then)?);
        }
        let otherwise = otherwise.map(|otherwise| self.value(otherwise)).transpose()?;
        let all: Vec<_> = values.iter().chain(&otherwise).collect();
        let kind = self.common(&all);
        let null = all.iter().all(|bound| bound.null);
        let nullable =
            otherwise.as_ref().is_none_or(|bound| bound.nullable) || values.iter().any(|bound| bound.nullable);
        let mut sql = "CASE".to_owned();
        for (condition, value) in conditions.iter().zip(&values) {
            sql += &format!(" WHEN {condition} THEN {}", self.in_type(value, &kind)?);
        }
        if let Some(otherwise) = &otherwise {
            sql += &format!(" ELSE {}", self.in_type(otherwise, &kind)?);
        }
        Ok(Bound { null, ..Bound::grouped(&(sql + " END"), kind, nullable) })
    }

    fn cast(&mut self, expr: &Expr, to: Type, style: Option<&Expr>, attempt: bool) -> Result<Bound, SqlError> {
        let bound = self.value(expr)?;
        let nullable = bound.nullable || attempt;
        if bound.null {
            return Ok(Bound { constant: Some(Datum::Null), ..Bound::new("NULL", to, true) });
        }
        let style = style.map(|style| self.value(style)).transpose()?;
        let style = match style.map(|style| style.constant) {
            None => None,
            Some(Some(Datum::Null)) => return Ok(Bound::new("NULL", to, true)),
            Some(Some(constant)) => number::Number::of(&constant)
                .and_then(number::Number::truncated)
                .and_then(|style| i32::try_from(style).ok()),
            Some(None) => {
                return Err(errors::unsupported("CONVERT", "a style of CONVERT that differs from row to row"));
            }
        };
        if style.is_none() && !attempt {
            let sql = self.converted(&bound, &to, true)?;
            return Ok(Bound { constant: self.converted_constant(&bound, &to), ..Bound::new(sql, to, nullable) });
        }
        let from = bound.r#type.clone();
        if convert::allowed(&from, &to) == convert::Allowed::Never {
            return Err(errors::explicit_conversion(&from, &to));
        }
        let settings = Settings { style, order: self.core.date_order() };
        let (source, target) = (from.clone(), to.clone());
        let body = Arc::new(move |values: &[Datum]| match convert::convert(&values[0], &source, &target, settings) {
            Err(_) if attempt => Ok(Datum::Null),
            converted => converted,
        });
        let sql = self.call_site(&[(bound.sql, from)], false, body);
        Ok(Bound::new(sql, to, nullable))
    }

    fn converted_constant(&self, bound: &Bound, to: &Type) -> Option<Datum> {
        let settings = Settings { style: None, order: self.core.date_order() };
        bound.constant.as_ref().and_then(|constant| convert::convert(constant, &bound.r#type, to, settings).ok())
    }

    fn collate(&mut self, inner: &Expr, name: &str) -> Result<Bound, SqlError> {
        let bound = self.value(inner)?;
        let collation =
            if name.eq_ignore_ascii_case("database_default") { Some(self.collation()) } else { Collation::named(name) };
        let Some(collation) = collation else {
            return Err(SqlError::new(448, 16, 3, format!("Invalid collation '{name}'.")));
        };
        let kind = with_collation(&bound.r#type, collation).ok_or_else(|| {
            SqlError::new(
                447,
                16,
                0,
                format!("Expression type {} is invalid for COLLATE clause.", types::name(&bound.r#type)),
            )
        })?;
        // No longer a constant: its collation now counts as a column's does.
        Ok(Bound { r#type: kind, constant: None, ..bound })
    }

    fn at_time_zone(&mut self, inner: &Expr, zone: &Expr) -> Result<Bound, SqlError> {
        let value = self.value(inner)?;
        let zone = self.value(zone)?;
        let to = Type::DateTimeOffset { scale: types::time_scale(&value.r#type) };
        let from = value.r#type.clone();
        if !types::is_temporal(&from) {
            return Err(errors::bad_argument(&from, 1, "AT TIME ZONE"));
        }
        let text = zone.r#type.clone();
        let source = from.clone();
        let body = Arc::new(move |values: &[Datum]| function::at_time_zone(&values[0], &source, &values[1]));
        let sql = self.call_site(&[(value.sql, from), (zone.sql, text)], false, body);
        Ok(Bound::new(sql, to, true))
    }

    /// The value for `DISTINCT`, `GROUP BY`, `ORDER BY`: with its collation.
    pub(crate) fn sortable(bound: &Bound) -> String {
        if matches!(bound.r#type, Type::DateTimeOffset { .. }) {
            return format!("substr({}, 1, 8)", bound.sql);
        }
        format!("{}{}", bound.sql, collate_suffix(&bound.r#type))
    }
}

fn exact_literal(digits: &str) -> (Datum, Type) {
    let Some((unscaled, scale)) = parse_exact(digits) else {
        return (Datum::Float(digits.parse().unwrap_or(f64::INFINITY)), Type::Float);
    };
    let whole = digits.split('.').next().unwrap_or_default().trim_start_matches('0').len();
    let precision = u8::try_from(whole + usize::from(scale)).unwrap_or(38).clamp(1, 38).max(scale);
    (number::decimal(unscaled, precision, scale), Type::Numeric { precision, scale })
}

/// A text type with another collation.
pub(crate) fn with_collation(kind: &Type, collation: Collation) -> Option<Type> {
    Some(match kind {
        Type::Char { length, .. } => Type::Char { length: *length, collation },
        Type::VarChar { length, .. } => Type::VarChar { length: *length, collation },
        Type::NChar { length, .. } => Type::NChar { length: *length, collation },
        Type::NVarChar { length, .. } => Type::NVarChar { length: *length, collation },
        Type::Text { .. } => Type::Text { collation },
        Type::NText { .. } => Type::NText { collation },
        _ => return None,
    })
}

fn is_comparison(op: BinaryOp) -> bool {
    use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn first_word(expr: &Expr) -> String {
    match expr {
        Expr::Column(parts) => parts.last().cloned().unwrap_or_default(),
        Expr::Variable(name) => name.clone(),
        Expr::Literal(Literal::Integer(digits)) => digits.clone(),
        Expr::Call(call) => call.name.object.clone(),
        _ => ")".to_owned(),
    }
}
