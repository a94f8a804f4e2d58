//! How a view's columns are written down here, and the values of its rows.

use crate::data::{Collation, Column, DateTime, Datum, Length, Type};

/// Name, type, and whether it can be null.
pub(super) type ViewColumns = &'static [(&'static str, Kind, bool)];

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Bit,
    Tiny,
    Small,
    Int,
    Big,
    DateTime,
    Name,
    /// `nvarchar` of so many characters.
    Text(u16),
    /// `char` of so many.
    Char(u16),
    Varchar(u16),
    Max,
    Bytes(u16),
    Variant,
}

/// What can be null.
pub(super) const NULL: bool = true;
pub(super) const SET: bool = false;

pub(super) fn columns(view: ViewColumns) -> Vec<Column> {
    let collation = Collation::DEFAULT;
    let column = |(name, kind, nullable): &(&str, Kind, bool)| {
        let r#type = match *kind {
            Kind::Bit => Type::Bit,
            Kind::Tiny => Type::TinyInt,
            Kind::Small => Type::SmallInt,
            Kind::Int => Type::Int,
            Kind::Big => Type::BigInt,
            Kind::DateTime => Type::DateTime,
            Kind::Name => Type::NVarChar { length: Length::Limited(128), collation },
            Kind::Text(length) => Type::NVarChar { length: Length::Limited(length), collation },
            Kind::Char(length) => Type::Char { length, collation },
            Kind::Varchar(length) => Type::VarChar { length: Length::Limited(length), collation },
            Kind::Max => Type::NVarChar { length: Length::Max, collation },
            Kind::Bytes(length) => Type::VarBinary { length: Length::Limited(length) },
            Kind::Variant => Type::Variant,
        };
        let column = Column::new(*name, r#type);
        if *nullable { column } else { column.required() }
    };
    view.iter().map(column).collect()
}

pub(super) fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}

pub(super) fn maybe(text: Option<&str>) -> Datum {
    text.map_or(Datum::Null, |text| Datum::Text(text.to_owned()))
}

pub(super) fn int(number: i32) -> Datum {
    Datum::Int(number)
}

pub(super) fn tiny(number: u8) -> Datum {
    Datum::TinyInt(number)
}

pub(super) fn bit(bit: bool) -> Datum {
    Datum::Bit(bit)
}

/// From three-hundredths of a second since 1900.
pub(super) fn time(stored: i64) -> Datum {
    const PER_DAY: i64 = 86_400 * 300;
    Datum::DateTime(DateTime {
        days: i32::try_from(stored.div_euclid(PER_DAY)).unwrap_or_default(),
        ticks: u32::try_from(stored.rem_euclid(PER_DAY)).unwrap_or_default(),
    })
}
