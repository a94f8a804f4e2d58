//! Two values beside each other: brought to one type, and to one form that SQLite compares.

use std::sync::Arc;

use crate::data::{Collation, Datum, SqlError, Type};
use crate::sql::parse::ast::BinaryOp;
use crate::sql::value::collate::sqlite_name;
use crate::sql::value::convert::{self, Allowed, Settings};
use crate::sql::{errors, types};

use super::{Binder, Bound};

/// Whether two types lie in SQLite in the same form, so that a value of one can stand for one of the other.
pub(crate) fn same_form(left: &Type, right: &Type) -> bool {
    use Type::{BigInt, Bit, Date, DateTime, DateTime2, Float, Int, Real, SmallDateTime, SmallInt, Time, TinyInt};
    match (left, right) {
        _ if left == right => true,
        (Bit | TinyInt | SmallInt | Int | BigInt, Bit | TinyInt | SmallInt | Int | BigInt) => true,
        (Real | Float, Real | Float) | (DateTime2 { .. }, DateTime2 { .. }) | (Time { .. }, Time { .. }) => true,
        (Date, Date) | (DateTime, DateTime) | (SmallDateTime, SmallDateTime) => true,
        (Type::Money | Type::SmallMoney, Type::Money | Type::SmallMoney) => true,
        (Type::DateTimeOffset { .. }, Type::DateTimeOffset { .. }) => true,
        _ if types::is_text(left) => types::is_text(right),
        _ if types::is_binary(left) => types::is_binary(right),
        (
            Type::Decimal { scale: a, .. } | Type::Numeric { scale: a, .. },
            Type::Decimal { scale: b, .. } | Type::Numeric { scale: b, .. },
        ) => a == b,
        _ => false,
    }
}

impl Binder<'_> {
    /// The value as SQLite has it in a type's form. Only for reading: lengths and ranges are left as they are.
    pub(crate) fn in_form(&mut self, bound: &Bound, to: &Type) -> Result<String, SqlError> {
        if bound.null || same_form(&bound.r#type, to) {
            return Ok(bound.sql.clone());
        }
        self.converted(bound, to, false)
    }

    /// The value exactly in a type: padded, cut, checked.
    pub(crate) fn in_type(&mut self, bound: &Bound, to: &Type) -> Result<String, SqlError> {
        if bound.null || bound.r#type == *to || widens(&bound.r#type, to) {
            return Ok(bound.sql.clone());
        }
        self.converted(bound, to, false)
    }

    /// As [`Binder::in_type`], where `CAST` may do what is not done silently.
    pub(crate) fn converted(&mut self, bound: &Bound, to: &Type, explicit: bool) -> Result<String, SqlError> {
        let from = &bound.r#type;
        match convert::allowed(from, to) {
            Allowed::Implicit => {}
            Allowed::Explicit if explicit => {}
            // A variant beside another type is compared as a variant.
            Allowed::Explicit if *from == Type::Variant => {}
            Allowed::Explicit => return Err(errors::implicit_conversion(from, to)),
            Allowed::Never if explicit => return Err(errors::explicit_conversion(from, to)),
            Allowed::Never => return Err(errors::type_clash(from, to)),
        }
        let settings = Settings { style: None, order: self.core.date_order() };
        if let Some(constant) = &bound.constant
            && let Ok(value) = convert::convert(constant, from, to, settings)
        {
            return Ok(self.parameter(&value));
        }
        let (source, target) = (from.clone(), to.clone());
        let body = Arc::new(move |arguments: &[Datum]| convert::convert(&arguments[0], &source, &target, settings));
        Ok(self.call_site(&[(bound.sql.clone(), from.clone())], false, body))
    }

    /// `left op right`, as a condition.
    pub(crate) fn compare(&mut self, left: &Bound, op: BinaryOp, right: &Bound) -> Result<Bound, SqlError> {
        let (left, right, collation) = self.comparable(left, right)?;
        let symbol = match op {
            BinaryOp::Equal => "=",
            BinaryOp::NotEqual => "<>",
            BinaryOp::Less => "<",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            _ => ">=",
        };
        Ok(Bound::condition(format!("({left} {symbol} {right}{collation})")))
    }

    /// Both sides in one form, and the collation that goes behind the right one.
    pub(crate) fn comparable(&mut self, left: &Bound, right: &Bound) -> Result<(String, String, String), SqlError> {
        for bound in [left, right] {
            if bound.condition {
                return Err(errors::not_a_condition("="));
            }
            if matches!(bound.r#type, Type::Xml | Type::Text { .. } | Type::NText { .. } | Type::Image)
                && !left.null
                && !right.null
            {
                return Err(errors::incompatible_operands(&left.r#type, &right.r#type, "equal to"));
            }
        }
        let kind = self.common(&[left, right]);
        let collation = collation_of(&kind, left, right);
        let (left, right) = (self.ordered(left, &kind)?, self.ordered(right, &kind)?);
        Ok((left, right, collation))
    }

    /// The value in a form whose order in SQLite is the type's.
    pub(crate) fn ordered(&mut self, bound: &Bound, kind: &Type) -> Result<String, SqlError> {
        let sql = self.in_form(bound, kind)?;
        Ok(if matches!(kind, Type::DateTimeOffset { .. }) && !bound.null {
            // Moments are equal whatever their offsets: the first eight bytes are the moment.
            format!("substr({sql}, 1, 8)")
        } else {
            sql
        })
    }

    /// The type of several values together.
    pub(crate) fn common(&self, bounds: &[&Bound]) -> Type {
        let known = bounds.iter().filter(|bound| !bound.null).map(|bound| &bound.r#type);
        known.cloned().reduce(|left, right| types::unify(&left, &right)).unwrap_or(Type::Int)
    }
}

/// ` COLLATE x` of a comparison of texts; a column's collation goes before a literal's.
pub(crate) fn collation_of(kind: &Type, left: &Bound, right: &Bound) -> String {
    if !types::is_text(kind) {
        return String::new();
    }
    let of_column = |bound: &Bound| bound.r#type.collation().filter(|_| bound.constant.is_none());
    let collation = of_column(left).or_else(|| of_column(right)).or_else(|| kind.collation());
    format!(" COLLATE {}", sqlite_name(collation.unwrap_or(Collation::DEFAULT)))
}

/// ` COLLATE x` of a value that is sorted, grouped or compared.
pub(crate) fn collate_suffix(kind: &Type) -> String {
    kind.collation().map(|collation| format!(" COLLATE {}", sqlite_name(collation))).unwrap_or_default()
}

/// Whether every value of a type is one of the other as it lies there.
fn widens(from: &Type, to: &Type) -> bool {
    let integer = |kind: &Type| matches!(kind, Type::Bit | Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt);
    match (from, to) {
        (
            Type::VarChar { .. } | Type::Char { .. } | Type::NChar { .. } | Type::NVarChar { .. },
            Type::NVarChar { .. } | Type::VarChar { .. },
        ) => {
            let fits = match (types::size(from), types::size(to)) {
                (_, None) => true,
                (Some(a), Some(b)) => a <= b,
                (None, Some(_)) => false,
            };
            fits && (types::is_unicode(to) || !types::is_unicode(from))
                && from.collation().is_some_and(|c| !c.is_utf8())
        }
        (Type::Binary { .. } | Type::VarBinary { .. }, Type::VarBinary { .. }) => {
            match (types::size(from), types::size(to)) {
                (_, None) => true,
                (Some(a), Some(b)) => a <= b,
                (None, Some(_)) => false,
            }
        }
        (Type::Bit, _) if integer(to) => true,
        _ if integer(from) && integer(to) => types::rank(from) <= types::rank(to),
        (Type::Real, Type::Float) | (Type::SmallMoney, Type::Money) => true,
        (Type::DateTime2 { scale: a }, Type::DateTime2 { scale: b })
        | (Type::Time { scale: a }, Type::Time { scale: b }) => a <= b,
        (
            Type::Decimal { precision: p, scale: a } | Type::Numeric { precision: p, scale: a },
            Type::Decimal { precision: q, scale: b } | Type::Numeric { precision: q, scale: b },
        ) => a == b && p <= q,
        _ => false,
    }
}
