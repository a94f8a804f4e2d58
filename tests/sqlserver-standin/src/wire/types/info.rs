//! A type's description, before its values.

use crate::data::{Collation, Length, Type, Udt};

use super::{
    super::bytes::{Malformed, Source, put_short_text, put_text},
    MAX, decimal_bytes, token,
};

/// The longest text, ntext and image.
const LARGE: u32 = i32::MAX as u32;
/// The longest value of a variant, with its type.
const VARIANT_BYTES: u32 = 8009;

/// Describes a type: as one that is never null, where there is one, or as one that may be.
pub(in crate::wire) fn put_description(out: &mut Vec<u8>, r#type: &Type, nullable: bool, database: &str) {
    match *r#type {
        Type::Bit => put_number(out, nullable, token::BIT, token::BIT_N, 1),
        Type::TinyInt => put_number(out, nullable, token::INT1, token::INT_N, 1),
        Type::SmallInt => put_number(out, nullable, token::INT2, token::INT_N, 2),
        Type::Int => put_number(out, nullable, token::INT4, token::INT_N, 4),
        Type::BigInt => put_number(out, nullable, token::INT8, token::INT_N, 8),
        Type::Real => put_number(out, nullable, token::FLOAT4, token::FLOAT_N, 4),
        Type::Float => put_number(out, nullable, token::FLOAT8, token::FLOAT_N, 8),
        Type::SmallMoney => put_number(out, nullable, token::MONEY4, token::MONEY_N, 4),
        Type::Money => put_number(out, nullable, token::MONEY, token::MONEY_N, 8),
        Type::SmallDateTime => put_number(out, nullable, token::DATETIME4, token::DATETIME_N, 4),
        Type::DateTime => put_number(out, nullable, token::DATETIME, token::DATETIME_N, 8),
        Type::Decimal { precision, scale } => {
            out.extend_from_slice(&[token::DECIMAL_N, decimal_bytes(precision), precision, scale]);
        }
        Type::Numeric { precision, scale } => {
            out.extend_from_slice(&[token::NUMERIC_N, decimal_bytes(precision), precision, scale]);
        }
        Type::Char { length, collation } => put_text_type(out, token::CHAR, length, collation),
        Type::VarChar { length, collation } => put_text_type(out, token::VARCHAR, limit(length, 1), collation),
        Type::NChar { length, collation } => put_text_type(out, token::NCHAR, length * 2, collation),
        Type::NVarChar { length, collation } => put_text_type(out, token::NVARCHAR, limit(length, 2), collation),
        Type::Text { collation } => put_large(out, token::TEXT, LARGE, Some(collation)),
        Type::NText { collation } => put_large(out, token::NTEXT, LARGE - 1, Some(collation)),
        Type::Image => put_large(out, token::IMAGE, LARGE, None),
        Type::Binary { length } => put_bytes_type(out, token::BINARY, length),
        Type::RowVersion => put_bytes_type(out, token::BINARY, 8),
        Type::VarBinary { length } => put_bytes_type(out, token::VARBINARY, limit(length, 1)),
        Type::UniqueIdentifier => out.extend_from_slice(&[token::GUID, 16]),
        Type::Xml => out.extend_from_slice(&[token::XML, 0]),
        Type::Date => out.push(token::DATE),
        Type::Time { scale } => out.extend_from_slice(&[token::TIME, scale]),
        Type::DateTime2 { scale } => out.extend_from_slice(&[token::DATETIME2, scale]),
        Type::DateTimeOffset { scale } => out.extend_from_slice(&[token::DATETIME_OFFSET, scale]),
        Type::Variant => put_large(out, token::VARIANT, VARIANT_BYTES, None),
        Type::Udt(udt) => put_udt(out, udt, database),
    }
}

fn put_number(out: &mut Vec<u8>, nullable: bool, fixed: u8, variable: u8, bytes: u8) {
    if nullable {
        out.extend_from_slice(&[variable, bytes]);
    } else {
        out.push(fixed);
    }
}

/// Bytes at most, in a type of so many bytes a unit.
fn limit(length: Length, unit: u16) -> u16 {
    match length {
        Length::Limited(units) => units.saturating_mul(unit),
        Length::Max => MAX,
    }
}

fn put_bytes_type(out: &mut Vec<u8>, token: u8, length: u16) {
    out.push(token);
    out.extend_from_slice(&length.to_le_bytes());
}

fn put_text_type(out: &mut Vec<u8>, token: u8, length: u16, collation: Collation) {
    put_bytes_type(out, token, length);
    out.extend_from_slice(&collation.to_bytes());
}

fn put_large(out: &mut Vec<u8>, token: u8, length: u32, collation: Option<Collation>) {
    out.push(token);
    out.extend_from_slice(&length.to_le_bytes());
    if let Some(collation) = collation {
        out.extend_from_slice(&collation.to_bytes());
    }
}

fn put_udt(out: &mut Vec<u8>, udt: Udt, database: &str) {
    put_bytes_type(out, token::UDT, udt.max_bytes());
    put_short_text(out, database);
    put_short_text(out, "sys");
    put_short_text(out, udt.name());
    put_text(out, udt.assembly());
}

/// A type that a client describes, and whether it is one of those that are never null.
pub(in crate::wire) fn described(source: &mut Source<'_>) -> Result<(Type, bool), Malformed> {
    let token = source.u8()?;
    let fixed = if token == token::NULL { Some(Type::Int) } else { fixed(token) };
    match fixed {
        Some(r#type) => Ok((r#type, true)),
        None => described_variable(token, source).map(|r#type| (r#type, false)),
    }
}

/// The type of a token that says all: of one length and never null.
pub(super) fn fixed(token: u8) -> Option<Type> {
    Some(match token {
        token::BIT => Type::Bit,
        token::INT1 => Type::TinyInt,
        token::INT2 => Type::SmallInt,
        token::INT4 => Type::Int,
        token::INT8 => Type::BigInt,
        token::FLOAT4 => Type::Real,
        token::FLOAT8 => Type::Float,
        token::MONEY4 => Type::SmallMoney,
        token::MONEY => Type::Money,
        token::DATETIME4 => Type::SmallDateTime,
        token::DATETIME => Type::DateTime,
        _ => return None,
    })
}

fn described_variable(token: u8, source: &mut Source<'_>) -> Result<Type, Malformed> {
    Ok(match token {
        token::GUID => {
            source.u8()?;
            Type::UniqueIdentifier
        }
        token::BIT_N => {
            source.u8()?;
            Type::Bit
        }
        token::INT_N => match source.u8()? {
            1 => Type::TinyInt,
            2 => Type::SmallInt,
            4 => Type::Int,
            8 => Type::BigInt,
            _ => return Err(Malformed("an integer of impossible length")),
        },
        token::FLOAT_N => {
            if four(source)? {
                Type::Real
            } else {
                Type::Float
            }
        }
        token::MONEY_N => {
            if four(source)? {
                Type::SmallMoney
            } else {
                Type::Money
            }
        }
        token::DATETIME_N => {
            if four(source)? {
                Type::SmallDateTime
            } else {
                Type::DateTime
            }
        }
        token::DECIMAL_N | token::NUMERIC_N => number(token, source)?,
        token::DATE => Type::Date,
        token::TIME => Type::Time { scale: scale(source)? },
        token::DATETIME2 => Type::DateTime2 { scale: scale(source)? },
        token::DATETIME_OFFSET => Type::DateTimeOffset { scale: scale(source)? },
        token::OLD_BINARY => Type::Binary { length: u16::from(source.u8()?) },
        token::OLD_VARBINARY => Type::VarBinary { length: Length::Limited(u16::from(source.u8()?)) },
        token::BINARY => Type::Binary { length: source.u16()? },
        token::VARBINARY => Type::VarBinary { length: length(source.u16()?, 1) },
        token::OLD_CHAR => Type::Char { length: u16::from(source.u8()?), collation: collation(source)? },
        token::OLD_VARCHAR => {
            let length = Length::Limited(u16::from(source.u8()?));
            Type::VarChar { length, collation: collation(source)? }
        }
        token::CHAR => Type::Char { length: source.u16()?, collation: collation(source)? },
        token::VARCHAR => Type::VarChar { length: length(source.u16()?, 1), collation: collation(source)? },
        token::NCHAR => Type::NChar { length: source.u16()? / 2, collation: collation(source)? },
        token::NVARCHAR => Type::NVarChar { length: length(source.u16()?, 2), collation: collation(source)? },
        token::TEXT | token::NTEXT | token::IMAGE | token::VARIANT => large(token, source)?,
        token::XML => xml(source)?,
        token::UDT => udt(source)?,
        token::TABLE => return Err(Malformed("table-valued parameters are not supported")),
        _ => return Err(Malformed("a value of no known type")),
    })
}

/// Of the types of four or eight bytes: whether it is the short one.
fn four(source: &mut Source<'_>) -> Result<bool, Malformed> {
    match source.u8()? {
        4 => Ok(true),
        8 => Ok(false),
        _ => Err(Malformed("a number of impossible length")),
    }
}

fn number(token: u8, source: &mut Source<'_>) -> Result<Type, Malformed> {
    let [_, precision, scale] = source.array()?;
    if precision == 0 || precision > 38 || scale > precision {
        return Err(Malformed("a decimal of impossible precision"));
    }
    Ok(match token {
        token::DECIMAL_N => Type::Decimal { precision, scale },
        _ => Type::Numeric { precision, scale },
    })
}

pub(super) fn scale(source: &mut Source<'_>) -> Result<u8, Malformed> {
    match source.u8()? {
        scale @ 0..=7 => Ok(scale),
        _ => Err(Malformed("a time of impossible scale")),
    }
}

fn length(bytes: u16, unit: u16) -> Length {
    match bytes {
        MAX => Length::Max,
        _ => Length::Limited(bytes / unit),
    }
}

pub(super) fn collation(source: &mut Source<'_>) -> Result<Collation, Malformed> {
    source.array().map(Collation::from_bytes)
}

fn large(token: u8, source: &mut Source<'_>) -> Result<Type, Malformed> {
    source.u32()?;
    Ok(match token {
        token::TEXT => Type::Text { collation: collation(source)? },
        token::NTEXT => Type::NText { collation: collation(source)? },
        token::IMAGE => Type::Image,
        _ => Type::Variant,
    })
}

fn xml(source: &mut Source<'_>) -> Result<Type, Malformed> {
    if source.u8()? != 0 {
        source.short_text()?;
        source.short_text()?;
        source.text()?;
    }
    Ok(Type::Xml)
}

fn udt(source: &mut Source<'_>) -> Result<Type, Malformed> {
    source.short_text()?;
    source.short_text()?;
    match source.short_text()?.to_ascii_lowercase().as_str() {
        "hierarchyid" => Ok(Type::Udt(Udt::HierarchyId)),
        "geometry" => Ok(Type::Udt(Udt::Geometry)),
        "geography" => Ok(Type::Udt(Udt::Geography)),
        _ => Err(Malformed("a user-defined type that the server does not have")),
    }
}
