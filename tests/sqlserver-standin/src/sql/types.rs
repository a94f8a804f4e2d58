//! The types of T-SQL: their names, their precedence, and what they become together.

use crate::data::{Collation, Length, SqlError, Type, Udt};

use super::errors;
use super::parse;
use super::parse::ast::{TypeArgument, TypeName};

/// The type that a name means, with the database's collation for texts.
pub(crate) fn resolve(name: &TypeName, collation: Collation) -> Result<Type, SqlError> {
    let lower = name.name.to_ascii_lowercase();
    let argument = |default: u32| match name.arguments.first() {
        Some(TypeArgument::Number(number)) => Ok(*number),
        Some(TypeArgument::Max) => Err(errors::syntax_near("max")),
        None => Ok(default),
    };
    Ok(match lower.as_str() {
        "bit" => Type::Bit,
        "tinyint" => Type::TinyInt,
        "smallint" => Type::SmallInt,
        "int" | "integer" => Type::Int,
        "bigint" => Type::BigInt,
        "real" => Type::Real,
        "float" => match argument(53)? {
            1..=24 => Type::Real,
            25..=53 => Type::Float,
            size => return Err(errors::bad_precision("column or parameter", &name.name, size, 53)),
        },
        "decimal" | "dec" | "numeric" => exact(name, lower == "numeric")?,
        "money" => Type::Money,
        "smallmoney" => Type::SmallMoney,
        "char" | "character" => Type::Char { length: limited(argument(1)?, 8000, name)?, collation },
        "nchar" => Type::NChar { length: limited(argument(1)?, 4000, name)?, collation },
        "ncharacter" => Type::NChar { length: limited(argument(1)?, 4000, name)?, collation },
        "varchar" | "varcharacter" => Type::VarChar { length: length(name, 8000)?, collation },
        "nvarchar" | "varncharacter" | "varnchar" => Type::NVarChar { length: length(name, 4000)?, collation },
        "text" => Type::Text { collation },
        "ntext" => Type::NText { collation },
        "sysname" => Type::NVarChar { length: Length::Limited(128), collation },
        "binary" => Type::Binary { length: limited(argument(1)?, 8000, name)? },
        "varbinary" => Type::VarBinary { length: length(name, 8000)? },
        "image" => Type::Image,
        "timestamp" | "rowversion" => Type::RowVersion,
        "uniqueidentifier" => Type::UniqueIdentifier,
        "xml" => Type::Xml,
        "date" => Type::Date,
        "time" => Type::Time { scale: scale(argument(7)?, name)? },
        "smalldatetime" => Type::SmallDateTime,
        "datetime" => Type::DateTime,
        "datetime2" => Type::DateTime2 { scale: scale(argument(7)?, name)? },
        "datetimeoffset" => Type::DateTimeOffset { scale: scale(argument(7)?, name)? },
        "sql_variant" => Type::Variant,
        "hierarchyid" => Type::Udt(Udt::HierarchyId),
        "geometry" => Type::Udt(Udt::Geometry),
        "geography" => Type::Udt(Udt::Geography),
        _ => return Err(errors::unknown_type(&name.name)),
    })
}

fn exact(name: &TypeName, numeric: bool) -> Result<Type, SqlError> {
    let number = |at: usize, default: u32| match name.arguments.get(at) {
        Some(TypeArgument::Number(number)) => *number,
        _ => default,
    };
    let (precision, scale) = (number(0, 18), number(1, 0));
    if !(1..=38).contains(&precision) {
        return Err(errors::bad_precision("column or parameter", &name.name, precision, 38));
    }
    if scale > precision {
        return Err(SqlError::new(192, 15, 1, "The scale must be less than or equal to the precision."));
    }
    let (precision, scale) = (precision as u8, scale as u8);
    Ok(if numeric { Type::Numeric { precision, scale } } else { Type::Decimal { precision, scale } })
}

fn limited(size: u32, most: u32, name: &TypeName) -> Result<u16, SqlError> {
    match u16::try_from(size) {
        Ok(size) if size > 0 && u32::from(size) <= most => Ok(size),
        _ => Err(errors::bad_size(&name.name, size, most)),
    }
}

fn length(name: &TypeName, most: u32) -> Result<Length, SqlError> {
    match name.arguments.first() {
        Some(TypeArgument::Max) => Ok(Length::Max),
        Some(TypeArgument::Number(size)) => limited(*size, most, name).map(Length::Limited),
        None => Ok(Length::Limited(1)),
    }
}

fn scale(scale: u32, name: &TypeName) -> Result<u8, SqlError> {
    u8::try_from(scale).ok().filter(|scale| *scale <= 7).ok_or_else(|| {
        SqlError::new(1002, 15, 1, format!("Line 1: Specified scale {scale} is invalid for type {}.", name.name))
    })
}

/// In `CAST` and `CONVERT` a character or binary type without a length has 30.
pub(crate) fn resolve_cast(name: &TypeName, collation: Collation) -> Result<Type, SqlError> {
    let without_length = name.arguments.is_empty();
    Ok(match resolve(name, collation)? {
        Type::Char { collation, .. } if without_length => Type::Char { length: 30, collation },
        Type::NChar { collation, .. } if without_length => Type::NChar { length: 30, collation },
        Type::VarChar { collation, .. } if without_length => Type::VarChar { length: Length::Limited(30), collation },
        // `sysname` has its own length.
        Type::NVarChar { collation, length: Length::Limited(1) } if without_length => {
            Type::NVarChar { length: Length::Limited(30), collation }
        }
        Type::Binary { .. } if without_length => Type::Binary { length: 30 },
        Type::VarBinary { .. } if without_length => Type::VarBinary { length: Length::Limited(30) },
        other => other,
    })
}

/// The name of the type alone, as `sys.types` has it.
pub(crate) fn name(kind: &Type) -> &'static str {
    match kind {
        Type::Bit => "bit",
        Type::TinyInt => "tinyint",
        Type::SmallInt => "smallint",
        Type::Int => "int",
        Type::BigInt => "bigint",
        Type::Real => "real",
        Type::Float => "float",
        Type::Decimal { .. } => "decimal",
        Type::Numeric { .. } => "numeric",
        Type::SmallMoney => "smallmoney",
        Type::Money => "money",
        Type::Char { .. } => "char",
        Type::VarChar { .. } => "varchar",
        Type::Text { .. } => "text",
        Type::NChar { .. } => "nchar",
        Type::NVarChar { .. } => "nvarchar",
        Type::NText { .. } => "ntext",
        Type::Binary { .. } => "binary",
        Type::VarBinary { .. } => "varbinary",
        Type::Image => "image",
        Type::RowVersion => "timestamp",
        Type::UniqueIdentifier => "uniqueidentifier",
        Type::Xml => "xml",
        Type::Date => "date",
        Type::Time { .. } => "time",
        Type::SmallDateTime => "smalldatetime",
        Type::DateTime => "datetime",
        Type::DateTime2 { .. } => "datetime2",
        Type::DateTimeOffset { .. } => "datetimeoffset",
        Type::Variant => "sql_variant",
        Type::Udt(udt) => udt.name(),
    }
}

/// The type as `CREATE TABLE` writes it, without a collation.
pub(crate) fn text(kind: &Type) -> String {
    let name = name(kind);
    match kind {
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => {
            format!("{name}({precision},{scale})")
        }
        Type::Char { length, .. } | Type::NChar { length, .. } | Type::Binary { length } => format!("{name}({length})"),
        Type::VarChar { length, .. } | Type::NVarChar { length, .. } | Type::VarBinary { length } => match length {
            Length::Limited(length) => format!("{name}({length})"),
            Length::Max => format!("{name}(max)"),
        },
        Type::Time { scale } | Type::DateTime2 { scale } | Type::DateTimeOffset { scale } => format!("{name}({scale})"),
        _ => name.to_owned(),
    }
}

/// The type with all there is to know of it: what the catalogue's file holds.
pub(crate) fn full_text(kind: &Type) -> String {
    match kind.collation() {
        Some(collation) => format!("{} collate {}", text(kind), collation.name()),
        None => text(kind),
    }
}

/// The opposite of [`full_text`].
pub(crate) fn from_full_text(text: &str) -> Option<Type> {
    let (written, collation) = match text.split_once(" collate ") {
        Some((written, collation)) => (written, Collation::named(collation)?),
        None => (text, Collation::DEFAULT),
    };
    resolve(&parse::type_name(written).ok()?, collation).ok()
}

/// Which type of two an expression has: the higher.
pub(crate) fn rank(kind: &Type) -> u8 {
    match kind {
        Type::Udt(_) => 31,
        Type::Variant => 30,
        Type::Xml => 29,
        Type::DateTimeOffset { .. } => 28,
        Type::DateTime2 { .. } => 27,
        Type::DateTime => 26,
        Type::SmallDateTime => 25,
        Type::Date => 24,
        Type::Time { .. } => 23,
        Type::Float => 22,
        Type::Real => 21,
        Type::Decimal { .. } | Type::Numeric { .. } => 20,
        Type::Money => 19,
        Type::SmallMoney => 18,
        Type::BigInt => 17,
        Type::Int => 16,
        Type::SmallInt => 15,
        Type::TinyInt => 14,
        Type::Bit => 13,
        Type::NText { .. } => 12,
        Type::Text { .. } => 11,
        Type::Image => 10,
        Type::RowVersion => 9,
        Type::UniqueIdentifier => 8,
        Type::NVarChar { .. } => 7,
        Type::NChar { .. } => 6,
        Type::VarChar { .. } => 5,
        Type::Char { .. } => 4,
        Type::VarBinary { .. } => 3,
        Type::Binary { .. } => 2,
    }
}

pub(crate) fn is_text(kind: &Type) -> bool {
    kind.collation().is_some()
}

pub(crate) fn is_unicode(kind: &Type) -> bool {
    matches!(kind, Type::NChar { .. } | Type::NVarChar { .. } | Type::NText { .. } | Type::Xml)
}

pub(crate) fn is_binary(kind: &Type) -> bool {
    matches!(kind, Type::Binary { .. } | Type::VarBinary { .. } | Type::Image | Type::RowVersion)
}

pub(crate) fn is_integer(kind: &Type) -> bool {
    matches!(kind, Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt)
}

pub(crate) fn is_number(kind: &Type) -> bool {
    (13..=22).contains(&rank(kind))
}

pub(crate) fn is_temporal(kind: &Type) -> bool {
    (23..=28).contains(&rank(kind))
}

/// Precision and scale of a number's type as arithmetic on decimals sees it.
pub(crate) fn exact_size(kind: &Type) -> Option<(u8, u8)> {
    Some(match kind {
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => (*precision, *scale),
        Type::Bit => (1, 0),
        Type::TinyInt => (3, 0),
        Type::SmallInt => (5, 0),
        Type::Int => (10, 0),
        Type::BigInt => (19, 0),
        Type::SmallMoney => (10, 4),
        Type::Money => (19, 4),
        _ => return None,
    })
}

/// The length of a character or binary type in its own units; none for the large ones.
pub(crate) fn size(kind: &Type) -> Option<u16> {
    match kind {
        Type::Char { length, .. } | Type::NChar { length, .. } | Type::Binary { length } => Some(*length),
        Type::VarChar { length, .. } | Type::NVarChar { length, .. } | Type::VarBinary { length } => match length {
            Length::Limited(length) => Some(*length),
            Length::Max => None,
        },
        Type::RowVersion => Some(8),
        _ => None,
    }
}

/// What two types are together: of `CASE`, `UNION`, `COALESCE` and comparisons.
pub(crate) fn unify(left: &Type, right: &Type) -> Type {
    if left == right {
        return left.clone();
    }
    let (high, low) = if rank(left) >= rank(right) { (left, right) } else { (right, left) };
    match high {
        Type::Decimal { precision, scale } | Type::Numeric { precision, scale } => {
            let Some((p, s)) = exact_size(low) else { return high.clone() };
            let scale_of_both = (*scale).max(s);
            let whole = (precision - scale).max(p - s);
            let precision = (whole + scale_of_both).min(38);
            let scale = scale_of_both.min(38 - whole.min(38));
            if matches!(high, Type::Numeric { .. }) {
                Type::Numeric { precision, scale }
            } else {
                Type::Decimal { precision, scale }
            }
        }
        Type::NVarChar { collation, .. }
        | Type::NChar { collation, .. }
        | Type::VarChar { collation, .. }
        | Type::Char { collation, .. }
            if is_text(low) =>
        {
            unify_texts(high, low, *collation)
        }
        Type::VarBinary { .. } | Type::Binary { .. } => {
            let fixed = matches!((high, low), (Type::Binary { .. }, Type::Binary { .. }));
            match (size(high), size(low), fixed) {
                (Some(a), Some(b), true) => Type::Binary { length: a.max(b) },
                (Some(a), Some(b), false) => Type::VarBinary { length: Length::Limited(a.max(b)) },
                _ => Type::VarBinary { length: Length::Max },
            }
        }
        Type::DateTime2 { scale } => Type::DateTime2 { scale: (*scale).max(time_scale(low)) },
        Type::DateTimeOffset { scale } => Type::DateTimeOffset { scale: (*scale).max(time_scale(low)) },
        Type::Time { scale } => Type::Time { scale: (*scale).max(time_scale(low)) },
        _ => high.clone(),
    }
}

fn unify_texts(high: &Type, low: &Type, collation: Collation) -> Type {
    let unicode = is_unicode(high) || is_unicode(low);
    let fixed =
        matches!((high, low), (Type::NChar { .. }, Type::NChar { .. }) | (Type::Char { .. }, Type::Char { .. }));
    match (size(high), size(low)) {
        (Some(a), Some(b)) if fixed && unicode => Type::NChar { length: a.max(b), collation },
        (Some(a), Some(b)) if fixed => Type::Char { length: a.max(b), collation },
        (a, b) => {
            let most = if unicode { 4000 } else { 8000 };
            text_of(unicode, a.zip(b).map(|(a, b)| a.max(b).min(most)), collation)
        }
    }
}

/// `nvarchar` or `varchar` of a length; none is `max`.
pub(crate) fn text_of(unicode: bool, length: Option<u16>, collation: Collation) -> Type {
    let length = length.map_or(Length::Max, |length| Length::Limited(length.max(1)));
    if unicode { Type::NVarChar { length, collation } } else { Type::VarChar { length, collation } }
}

pub(crate) fn time_scale(kind: &Type) -> u8 {
    match kind {
        Type::Time { scale } | Type::DateTime2 { scale } | Type::DateTimeOffset { scale } => *scale,
        Type::DateTime => 3,
        _ => 0,
    }
}

/// `sys.types.system_type_id`.
pub(crate) fn system_type_id(kind: &Type) -> u8 {
    match kind {
        Type::Image => 34,
        Type::Text { .. } => 35,
        Type::UniqueIdentifier => 36,
        Type::Date => 40,
        Type::Time { .. } => 41,
        Type::DateTime2 { .. } => 42,
        Type::DateTimeOffset { .. } => 43,
        Type::TinyInt => 48,
        Type::SmallInt => 52,
        Type::Int => 56,
        Type::SmallDateTime => 58,
        Type::Real => 59,
        Type::Money => 60,
        Type::DateTime => 61,
        Type::Float => 62,
        Type::Variant => 98,
        Type::NText { .. } => 99,
        Type::Bit => 104,
        Type::Decimal { .. } => 106,
        Type::Numeric { .. } => 108,
        Type::SmallMoney => 122,
        Type::BigInt => 127,
        Type::VarBinary { .. } => 165,
        Type::VarChar { .. } => 167,
        Type::Binary { .. } => 173,
        Type::Char { .. } => 175,
        Type::RowVersion => 189,
        Type::NVarChar { .. } => 231,
        Type::NChar { .. } => 239,
        Type::Udt(_) => 240,
        Type::Xml => 241,
    }
}

/// `sys.columns.max_length`: bytes, -1 for `max` and xml.
pub(crate) fn max_length(kind: &Type) -> i16 {
    match kind {
        Type::Bit | Type::TinyInt => 1,
        Type::SmallInt => 2,
        Type::Int | Type::Real | Type::SmallMoney | Type::SmallDateTime => 4,
        Type::BigInt | Type::Float | Type::Money | Type::DateTime | Type::RowVersion => 8,
        Type::Decimal { precision, .. } | Type::Numeric { precision, .. } => match precision {
            0..=9 => 5,
            10..=19 => 9,
            20..=28 => 13,
            _ => 17,
        },
        Type::Date => 3,
        Type::Time { scale } => time_bytes(*scale),
        Type::DateTime2 { scale } => time_bytes(*scale) + 3,
        Type::DateTimeOffset { scale } => time_bytes(*scale) + 5,
        Type::UniqueIdentifier | Type::Text { .. } | Type::NText { .. } | Type::Image => 16,
        Type::Variant => 8016,
        Type::Xml => -1,
        Type::Udt(Udt::HierarchyId) => 892,
        Type::Udt(_) => -1,
        Type::NChar { length, .. } => bytes(Some(*length), 2),
        Type::NVarChar { .. } => bytes(size(kind), 2),
        Type::Char { .. } | Type::VarChar { .. } | Type::Binary { .. } | Type::VarBinary { .. } => bytes(size(kind), 1),
    }
}

fn bytes(length: Option<u16>, each: u16) -> i16 {
    length.map_or(-1, |length| i16::try_from(length.saturating_mul(each)).unwrap_or(i16::MAX))
}

fn time_bytes(scale: u8) -> i16 {
    match scale {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    }
}

/// `sys.columns.precision` and `scale`.
pub(crate) fn precision_and_scale(kind: &Type) -> (u8, u8) {
    match kind {
        Type::Real => (24, 0),
        Type::Float => (53, 0),
        Type::Date => (10, 0),
        Type::SmallDateTime => (16, 0),
        Type::DateTime => (23, 3),
        Type::Time { scale } => (8 + scale + u8::from(*scale > 0), *scale),
        Type::DateTime2 { scale } => (19 + scale + u8::from(*scale > 0), *scale),
        Type::DateTimeOffset { scale } => (26 + scale + u8::from(*scale > 0), *scale),
        other => exact_size(other).unwrap_or((0, 0)),
    }
}
