//! Aggregates and what they give: SQLite's own where they do the same, folds of ours for sums.

use std::sync::Arc;

use crate::data::{Datum, Length, SqlError, Type};
use crate::sql::parse::ast::{BinaryOp, Call, ObjectName};
use crate::sql::value::arithmetic;
use crate::sql::value::number::Number;
use crate::sql::{errors, types};

use super::compare::collate_suffix;
use super::sites::{AggregateSite, Finish, Fold};
use super::{Binder, Bound};

const AGGREGATES: [&str; 11] =
    ["COUNT", "COUNT_BIG", "SUM", "AVG", "MIN", "MAX", "STRING_AGG", "STDEV", "STDEVP", "VAR", "VARP"];

/// `sys.ORMask`: of the update masks of change data capture.
const OR_MASK: &str = "ORMASK";

pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

/// The aggregate that a call names, in upper case.
pub(super) fn named(name: &ObjectName) -> Option<String> {
    let object = name.object.to_ascii_uppercase();
    let known = match (&name.database, &name.schema) {
        (None, None) => is_aggregate(&object),
        (None, Some(schema)) => schema.eq_ignore_ascii_case("sys") && object == OR_MASK,
        _ => false,
    };
    known.then_some(object)
}

impl Binder<'_> {
    pub(super) fn aggregate(&mut self, name: &str, call: &Call) -> Result<Bound, SqlError> {
        let grouped = self.scopes.last().is_some_and(|scope| scope.groups.is_some());
        if !grouped {
            return Err(errors::aggregate_in_where());
        }
        if self.scopes.last().is_some_and(|scope| scope.free) {
            return Err(SqlError::new(
                130,
                15,
                1,
                "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
            ));
        }
        let was = self.set_free(true);
        let bound = self.aggregate_call(name, call);
        self.set_free(was);
        bound
    }

    /// The call itself, also where `OVER` follows.
    pub(super) fn aggregate_call(&mut self, name: &str, call: &Call) -> Result<Bound, SqlError> {
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        if call.star {
            let kind = if name == "COUNT_BIG" { Type::BigInt } else { Type::Int };
            return if name.starts_with("COUNT") {
                Ok(Bound::new("count(*)", kind, false))
            } else {
                Err(errors::syntax_near("*"))
            };
        }
        if name == "STRING_AGG" {
            return self.string_agg(call);
        }
        let [argument] = call.arguments.as_slice() else {
            return Err(errors::argument_count(&name.to_lowercase(), 1));
        };
        let bound = self.value(argument)?;
        let kind = bound.r#type.clone();
        let invalid = || errors::bad_operand(&kind, &name.to_lowercase());
        let sql = format!("{}{}", bound.sql, collate_suffix(&kind));
        match name {
            "COUNT" => Ok(Bound::new(format!("count({distinct}{sql})"), Type::Int, false)),
            "COUNT_BIG" => Ok(Bound::new(format!("count({distinct}{sql})"), Type::BigInt, false)),
            "MIN" | "MAX" => {
                if matches!(kind, Type::Bit | Type::Xml | Type::Text { .. } | Type::NText { .. } | Type::Image) {
                    return Err(invalid());
                }
                Ok(Bound::new(format!("{}({sql})", name.to_lowercase()), kind, true))
            }
            OR_MASK => {
                let of = Type::VarBinary { length: Length::Limited(128) };
                let argument = self.in_type(&bound, &of)?;
                let fold: Arc<Fold> = Arc::new(or_masks);
                let finish: Arc<Finish> = Arc::new(|mask, _| Ok(mask.unwrap_or(Datum::Null)));
                let at = self.held.aggregate(AggregateSite { argument: of.clone(), fold, finish });
                Ok(Bound::new(format!("fa({at}, {argument})"), of, true))
            }
            _ => {
                let result = sum_type(name, &kind).ok_or_else(invalid)?;
                let of = widened(&kind, &result);
                let argument = self.in_type(&bound, &of)?;
                let (fold, finish) = folding(name, &of, &result);
                if call.distinct {
                    return Err(errors::unsupported("DISTINCT", "DISTINCT in an aggregate other than COUNT"));
                }
                let at = self.held.aggregate(AggregateSite { argument: of, fold, finish });
                Ok(Bound::new(format!("fa({at}, {argument})"), result, true))
            }
        }
    }

    fn string_agg(&mut self, call: &Call) -> Result<Bound, SqlError> {
        let [argument, separator] = call.arguments.as_slice() else {
            return Err(errors::argument_count("string_agg", 2));
        };
        let (value, separator) = (self.value(argument)?, self.value(separator)?);
        let collation = value.r#type.collation().unwrap_or_else(|| self.collation());
        let unicode = types::is_unicode(&value.r#type) || !types::is_text(&value.r#type);
        let large = types::size(&value.r#type).is_none() && types::is_text(&value.r#type);
        let kind =
            types::text_of(unicode, if large { None } else { Some(if unicode { 4000 } else { 8000 }) }, collation);
        let order: Vec<_> = call
            .within_group
            .iter()
            .map(|item| {
                let bound = self.value(&item.expr)?;
                Ok(format!("{}{}", Self::sortable(&bound), if item.descending { " DESC" } else { "" }))
            })
            .collect::<Result<_, SqlError>>()?;
        let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        let (value, separator) = (self.in_form(&value, &kind)?, self.in_form(&separator, &kind)?);
        Ok(Bound::new(format!("group_concat({value}, {separator}{order})"), kind, true))
    }
}

/// Their last bytes are those of the first columns.
fn or_masks(all: Option<Datum>, mask: &Datum) -> Result<Option<Datum>, SqlError> {
    let (Some(Datum::Bytes(mut all)), Datum::Bytes(mask)) = (all, mask) else { return Ok(Some(mask.clone())) };
    if all.len() < mask.len() {
        all.splice(0..0, std::iter::repeat_n(0, mask.len() - all.len()));
    }
    for (into, from) in all.iter_mut().rev().zip(mask.iter().rev()) {
        *into |= from;
    }
    Ok(Some(Datum::Bytes(all)))
}

fn sum_type(name: &str, kind: &Type) -> Option<Type> {
    if name.starts_with("STD") || name.starts_with("VAR") {
        return (types::is_number(kind) && *kind != Type::Bit).then_some(Type::Float);
    }
    Some(match kind {
        Type::TinyInt | Type::SmallInt | Type::Int => Type::Int,
        Type::BigInt => Type::BigInt,
        Type::Decimal { scale, .. } | Type::Numeric { scale, .. } => {
            let scale = if name == "AVG" { (*scale).max(6) } else { *scale };
            Type::Decimal { precision: 38, scale }
        }
        Type::Money | Type::SmallMoney => Type::Money,
        Type::Real | Type::Float => Type::Float,
        _ => return None,
    })
}

fn widened(kind: &Type, result: &Type) -> Type {
    match (kind, result) {
        (Type::Decimal { scale, .. } | Type::Numeric { scale, .. }, Type::Decimal { .. }) => {
            Type::Decimal { precision: 38, scale: *scale }
        }
        _ => result.clone(),
    }
}

fn folding(name: &str, of: &Type, result: &Type) -> (Arc<Fold>, Arc<Finish>) {
    if result == &Type::Float && (name.starts_with("STD") || name.starts_with("VAR")) {
        return deviation(name);
    }
    let sum_of = of.clone();
    let fold: Arc<Fold> = Arc::new(move |sum, value| match sum {
        None => Ok(Some(value.clone())),
        Some(sum) => arithmetic::apply(BinaryOp::Add, &sum, value, &sum_of).map(Some),
    });
    let (result, average) = (result.clone(), name == "AVG");
    let finish: Arc<Finish> = Arc::new(move |sum, count| {
        let Some(sum) = sum else { return Ok(Datum::Null) };
        if !average {
            return Ok(sum);
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        match (&result, &sum) {
            (Type::Float, Datum::Float(sum)) => Ok(Datum::Float(sum / count as f64)),
            (Type::Money, Datum::Money(sum)) => Ok(Datum::Money(sum / count)),
            _ => arithmetic::apply(BinaryOp::Divide, &sum, &Datum::BigInt(count), &result),
        }
    });
    (fold, finish)
}

/// By Welford's sums, as text of three floats would be too slow: count, mean and square in one value.
fn deviation(name: &str) -> (Arc<Fold>, Arc<Finish>) {
    let fold: Arc<Fold> = Arc::new(|state, value| {
        let value = Number::of(value).map_or(0.0, Number::approximate);
        let (count, mean, square) = match state {
            Some(Datum::Bytes(bytes)) => moments(&bytes),
            _ => (0.0, 0.0, 0.0),
        };
        let count = count + 1.0;
        let delta = value - mean;
        let mean = mean + delta / count;
        let square = square + delta * (value - mean);
        Ok(Some(Datum::Bytes([count, mean, square].iter().flat_map(|part| part.to_be_bytes()).collect())))
    });
    let (root, population) = (name.starts_with("STD"), name.ends_with('P'));
    let finish: Arc<Finish> = Arc::new(move |state, _| {
        let Some(Datum::Bytes(bytes)) = state else { return Ok(Datum::Null) };
        let (count, _, square) = moments(&bytes);
        let divisor = if population { count } else { count - 1.0 };
        if divisor <= 0.0 {
            return Ok(Datum::Null);
        }
        let variance = square / divisor;
        Ok(Datum::Float(if root { variance.sqrt() } else { variance }))
    });
    (fold, finish)
}

fn moments(bytes: &[u8]) -> (f64, f64, f64) {
    let part =
        |at: usize| bytes.get(at * 8..at * 8 + 8).and_then(|part| part.try_into().ok()).map_or(0.0, f64::from_be_bytes);
    (part(0), part(1), part(2))
}
