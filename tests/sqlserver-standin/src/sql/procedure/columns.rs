//! `sp_columns` and `sp_columns_100`: the columns of tables as ODBC describes them.

use super::{Rows, arguments::Arguments, column, sysname, text, varchar};
use crate::data::{Collation, Column, Datum, Length, Type};
use crate::sql::catalog::{Table, TableColumn};
use crate::sql::function::{DatabaseMetadata, Metadata};
use crate::sql::types;

/// How ODBC describes a type.
pub(super) struct Description {
    pub(super) data_type: i16,
    pub(super) precision: i32,
    pub(super) length: i32,
    pub(super) scale: Option<i16>,
    radix: Option<i16>,
}

const NARROW: usize = 19;

pub(super) fn columns(arguments: &Arguments, database: &DatabaseMetadata, metadata: &Metadata) -> Rows {
    let (mut columns, rows) = columns_100(arguments, database, metadata);
    // The older one has nothing of what came after it, but for the last column.
    let narrow = |mut row: Vec<Datum>| {
        row.drain(NARROW - 1..row.len() - 1);
        row
    };
    columns.drain(NARROW - 1..columns.len() - 1);
    (columns, rows.into_iter().map(narrow).collect())
}

pub(super) fn columns_100(arguments: &Arguments, database: &DatabaseMetadata, _: &Metadata) -> Rows {
    let newest = arguments.number("@odbcver").unwrap_or(2) >= 3;
    let mut tables: Vec<_> = database
        .catalog
        .tables
        .values()
        .filter(|table| arguments.fits("@table_name", &table.name) && arguments.fits("@table_owner", &table.schema))
        .collect();
    tables.sort_by_key(|table| (&table.schema, &table.name));
    let mut rows = Vec::new();
    for table in tables {
        for (ordinal, column) in (1_i32..).zip(&table.columns) {
            if arguments.fits("@column_name", &column.name) {
                rows.push(row(&database.name, table, column, ordinal, newest));
            }
        }
    }
    (described(), rows)
}

fn described() -> Vec<Column> {
    let small = |name: &str| column(name, Type::SmallInt);
    let int = |name: &str| column(name, Type::Int);
    vec![
        sysname("TABLE_QUALIFIER"),
        sysname("TABLE_OWNER"),
        sysname("TABLE_NAME").required(),
        sysname("COLUMN_NAME"),
        small("DATA_TYPE").required(),
        sysname("TYPE_NAME"),
        int("PRECISION"),
        int("LENGTH"),
        small("SCALE"),
        small("RADIX"),
        small("NULLABLE").required(),
        varchar("REMARKS", 254),
        column("COLUMN_DEF", types::text_of(true, Some(4000), Collation::DEFAULT)),
        small("SQL_DATA_TYPE").required(),
        small("SQL_DATETIME_SUB"),
        int("CHAR_OCTET_LENGTH"),
        int("ORDINAL_POSITION").required(),
        varchar("IS_NULLABLE", 254),
        small("SS_IS_SPARSE"),
        small("SS_IS_COLUMN_SET"),
        small("SS_IS_COMPUTED"),
        small("SS_IS_IDENTITY"),
        sysname("SS_UDT_CATALOG_NAME"),
        sysname("SS_UDT_SCHEMA_NAME"),
        column("SS_UDT_ASSEMBLY_TYPE_NAME", types::text_of(true, Some(4000), Collation::DEFAULT)),
        sysname("SS_XML_SCHEMACOLLECTION_CATALOG_NAME"),
        sysname("SS_XML_SCHEMACOLLECTION_SCHEMA_NAME"),
        sysname("SS_XML_SCHEMACOLLECTION_NAME"),
        column("SS_DATA_TYPE", Type::TinyInt),
    ]
}

fn row(database: &str, table: &Table, column: &TableColumn, ordinal: i32, newest: bool) -> Vec<Datum> {
    /// `SQL_DATETIME`, of which `SQL_DATETIME_SUB` says the kind.
    const DATETIME: i16 = 9;
    const TIMESTAMP: i16 = 3;
    let kind = &column.r#type;
    let description = describe(kind, newest);
    let old_datetime = matches!(kind, Type::DateTime | Type::SmallDateTime);
    let octets = types::is_text(kind) || types::is_binary(kind) || matches!(kind, Type::Variant);
    let small = |number: Option<i16>| number.map_or(Datum::Null, Datum::SmallInt);
    let flag = |set: bool| Datum::SmallInt(i16::from(set));
    let name = column.alias.as_ref().map_or_else(|| types::name(kind), |(_, name)| name);
    let name = if column.identity.is_some() { format!("{name} identity") } else { name.to_owned() };
    let udt = |part: &str| if matches!(kind, Type::Udt(_)) { text(part) } else { Datum::Null };
    vec![
        text(database),
        text(&table.schema),
        text(&table.name),
        text(&column.name),
        Datum::SmallInt(description.data_type),
        Datum::Text(name),
        Datum::Int(description.precision),
        Datum::Int(description.length),
        small(description.scale),
        small(description.radix),
        flag(column.nullable),
        Datum::Null,
        column.default.as_ref().map_or(Datum::Null, |default| text(&default.text)),
        Datum::SmallInt(if old_datetime { DATETIME } else { description.data_type }),
        small(old_datetime.then_some(TIMESTAMP)),
        if octets { Datum::Int(description.length) } else { Datum::Null },
        Datum::Int(ordinal),
        text(if column.nullable { "YES" } else { "NO" }),
        flag(false),
        flag(false),
        flag(column.computed.is_some()),
        flag(column.identity.is_some()),
        udt(database),
        udt("sys"),
        match kind {
            Type::Udt(udt) => text(udt.assembly()),
            _ => Datum::Null,
        },
        Datum::Null,
        Datum::Null,
        Datum::Null,
        Datum::TinyInt(old_number(kind, column.nullable)),
    ]
}

/// A type as ODBC 3 has it, or as ODBC 2, which differs in dates.
pub(super) fn describe(kind: &Type, newest: bool) -> Description {
    let exact = |data_type, precision, length, scale| Description {
        data_type,
        precision,
        length,
        scale: Some(scale),
        radix: Some(10),
    };
    let plain = |data_type, precision, length| Description { data_type, precision, length, scale: None, radix: None };
    let timed = |data_type, precision, length, scale| Description {
        data_type,
        precision,
        length,
        scale: Some(scale),
        radix: None,
    };
    // A point and the digits after it.
    let digits = |whole: i32, scale: u8| if scale == 0 { whole } else { whole + 1 + i32::from(scale) };
    let size = |length: Length| match length {
        Length::Limited(length) => i32::from(length),
        Length::Max => 0,
    };
    let datetime = if newest { 93 } else { 11 };
    match *kind {
        Type::Bit => plain(-7, 1, 1),
        Type::TinyInt => exact(-6, 3, 1, 0),
        Type::SmallInt => exact(5, 5, 2, 0),
        Type::Int => exact(4, 10, 4, 0),
        Type::BigInt => exact(-5, 19, 8, 0),
        Type::Real => Description { radix: Some(10), ..plain(7, 7, 4) },
        Type::Float => Description { radix: Some(10), ..plain(6, 15, 8) },
        Type::Decimal { precision, scale } => {
            exact(3, i32::from(precision), i32::from(precision) + 2, i16::from(scale))
        }
        Type::Numeric { precision, scale } => {
            exact(2, i32::from(precision), i32::from(precision) + 2, i16::from(scale))
        }
        Type::SmallMoney => exact(3, 10, 12, 4),
        Type::Money => exact(3, 19, 21, 4),
        Type::Char { length, .. } => plain(1, i32::from(length), i32::from(length)),
        Type::VarChar { length, .. } => plain(12, size(length), size(length)),
        Type::Text { .. } => plain(-1, i32::MAX, i32::MAX),
        Type::NChar { length, .. } => plain(-8, i32::from(length), 2 * i32::from(length)),
        Type::NVarChar { length, .. } => plain(-9, size(length), 2 * size(length)),
        Type::NText { .. } => plain(-10, i32::MAX / 2, i32::MAX - 1),
        Type::Binary { length } => plain(-2, i32::from(length), i32::from(length)),
        Type::VarBinary { length } => plain(-3, size(length), size(length)),
        Type::Image => plain(-4, i32::MAX, i32::MAX),
        Type::RowVersion => plain(-2, 8, 8),
        Type::UniqueIdentifier => plain(-11, 36, 16),
        Type::Xml => plain(-152, 0, 0),
        Type::Date => timed(if newest { 91 } else { 9 }, 10, 6, 0),
        Type::Time { scale } => timed(-154, digits(8, scale), 12, i16::from(scale)),
        Type::SmallDateTime => timed(datetime, 16, 16, 0),
        Type::DateTime => timed(datetime, 23, 16, 3),
        Type::DateTime2 { scale } => timed(datetime, digits(19, scale), 16, i16::from(scale)),
        Type::DateTimeOffset { scale } => timed(-155, digits(26, scale), 20, i16::from(scale)),
        Type::Variant => plain(-150, 8000, 8000),
        Type::Udt(udt) => plain(-151, i32::from(udt.max_bytes()), i32::from(udt.max_bytes())),
    }
}

/// The type's number in the protocol of old, which extended procedures take.
fn old_number(kind: &Type, nullable: bool) -> u8 {
    let (fixed, variable) = match kind {
        Type::Bit => (50, 50),
        Type::TinyInt => (48, 38),
        Type::SmallInt => (52, 38),
        Type::Int => (56, 38),
        Type::BigInt => (63, 108),
        Type::Real => (59, 109),
        Type::Float => (62, 109),
        Type::Decimal { .. } => (55, 106),
        Type::Numeric { .. } => (63, 108),
        Type::SmallMoney => (122, 110),
        Type::Money => (60, 110),
        Type::SmallDateTime => (58, 111),
        Type::DateTime => (61, 111),
        Type::Char { .. } | Type::NChar { .. } => (47, 39),
        Type::VarChar { .. } | Type::NVarChar { .. } | Type::Variant => (39, 39),
        Type::Text { .. } | Type::NText { .. } => (35, 35),
        Type::Binary { .. } | Type::RowVersion => (45, 37),
        Type::VarBinary { .. } | Type::UniqueIdentifier => (37, 37),
        Type::Image => (34, 34),
        _ => (0, 0),
    };
    if nullable { variable } else { fixed }
}
