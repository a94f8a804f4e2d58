//! `sp_pkeys`, `sp_statistics` and `sp_special_columns`.

use std::sync::Arc;

use super::{Rows, arguments::Arguments, column, columns::describe, sysname, text, varchar};
use crate::data::{Datum, Type};
use crate::sql::catalog::{Index, Table};
use crate::sql::function::{DatabaseMetadata, Metadata};
use crate::sql::types;

/// The tables that the arguments name: no patterns here.
fn named<'a>(arguments: &'a Arguments, database: &'a DatabaseMetadata) -> impl Iterator<Item = &'a Arc<Table>> {
    database
        .catalog
        .tables
        .values()
        .filter(|table| arguments.is("@table_name", &table.name) && arguments.is("@table_owner", &table.schema))
}

pub(super) fn primary_keys(arguments: &Arguments, database: &DatabaseMetadata, _: &Metadata) -> Rows {
    let columns = vec![
        sysname("TABLE_QUALIFIER"),
        sysname("TABLE_OWNER"),
        sysname("TABLE_NAME").required(),
        sysname("COLUMN_NAME"),
        column("KEY_SEQ", Type::SmallInt),
        sysname("PK_NAME"),
    ];
    let mut rows = Vec::new();
    for table in named(arguments, database) {
        let Some(key) = table.primary_key() else { continue };
        for (place, name) in (1_i16..).zip(column_names(table, key)) {
            rows.push(vec![
                text(&database.name),
                text(&table.schema),
                text(&table.name),
                text(name),
                Datum::SmallInt(place),
                text(&key.name),
            ]);
        }
    }
    (columns, rows)
}

fn column_names<'a>(table: &'a Table, index: &'a Index) -> impl Iterator<Item = &'a str> {
    index.columns.iter().filter_map(|(id, _)| table.column_by_id(*id)).map(|column| column.name.as_str())
}

pub(super) fn statistics(arguments: &Arguments, database: &DatabaseMetadata, _: &Metadata) -> Rows {
    const OF_TABLE: i16 = 0;
    const CLUSTERED: i16 = 1;
    const OTHER: i16 = 3;
    let columns = vec![
        sysname("TABLE_QUALIFIER"),
        sysname("TABLE_OWNER"),
        sysname("TABLE_NAME").required(),
        column("NON_UNIQUE", Type::SmallInt),
        sysname("INDEX_QUALIFIER"),
        sysname("INDEX_NAME"),
        column("TYPE", Type::SmallInt).required(),
        column("SEQ_IN_INDEX", Type::SmallInt),
        sysname("COLUMN_NAME"),
        varchar("COLLATION", 1),
        column("CARDINALITY", Type::Int),
        column("PAGES", Type::Int),
        varchar("FILTER_CONDITION", 128),
    ];
    let unique_only = arguments.text("@is_unique").is_some_and(|unique| unique.eq_ignore_ascii_case("Y"));
    let mut rows = Vec::new();
    for table in named(arguments, database) {
        let of_table = || vec![text(&database.name), text(&table.schema), text(&table.name)];
        let mut row = of_table();
        row.extend([Datum::Null, Datum::Null, Datum::Null, Datum::SmallInt(OF_TABLE)]);
        row.resize(columns.len(), Datum::Null);
        rows.push(row);
        let mut indexes: Vec<&Index> = table
            .indexes
            .iter()
            .filter(|index| (index.unique || !unique_only) && arguments.fits("@index_name", &index.name))
            .collect();
        indexes.sort_by_key(|index| (!index.unique, !index.clustered, &index.name));
        for index in indexes {
            let kind = if index.clustered { CLUSTERED } else { OTHER };
            for ((place, name), (_, descending)) in (1_i16..).zip(column_names(table, index)).zip(&index.columns) {
                let mut row = of_table();
                row.extend([
                    Datum::SmallInt(i16::from(!index.unique)),
                    text(&table.name),
                    text(&index.name),
                    Datum::SmallInt(kind),
                    Datum::SmallInt(place),
                    text(name),
                    text(if *descending { "D" } else { "A" }),
                    Datum::Int(0),
                    Datum::Int(0),
                    Datum::Null,
                ]);
                rows.push(row);
            }
        }
    }
    (columns, rows)
}

pub(super) fn special_columns(arguments: &Arguments, database: &DatabaseMetadata, _: &Metadata) -> Rows {
    /// The value holds for the session.
    const SESSION: i16 = 2;
    const NOT_PSEUDO: i16 = 1;
    let columns = vec![
        column("SCOPE", Type::SmallInt),
        sysname("COLUMN_NAME"),
        column("DATA_TYPE", Type::SmallInt).required(),
        sysname("TYPE_NAME"),
        column("PRECISION", Type::Int),
        column("LENGTH", Type::Int),
        column("SCALE", Type::SmallInt),
        column("PSEUDO_COLUMN", Type::SmallInt),
    ];
    let versions = arguments.text("@col_type").is_some_and(|kind| kind.eq_ignore_ascii_case("V"));
    let newest = arguments.number("@odbcver").unwrap_or(2) >= 3;
    let mut rows = Vec::new();
    for table in named(arguments, database) {
        let unique = || table.indexes.iter().find(|index| index.unique && index.filter.is_none());
        let best = if versions { None } else { table.primary_key().or_else(unique) };
        let found = table.columns.iter().filter(|column| match best {
            Some(index) => index.columns.iter().any(|(id, _)| *id == column.id),
            None => versions && column.r#type == Type::RowVersion,
        });
        for column in found {
            let description = describe(&column.r#type, newest);
            rows.push(vec![
                if versions { Datum::Null } else { Datum::SmallInt(SESSION) },
                text(&column.name),
                Datum::SmallInt(description.data_type),
                text(types::name(&column.r#type)),
                Datum::Int(description.precision),
                Datum::Int(description.length),
                description.scale.map_or(Datum::Null, Datum::SmallInt),
                Datum::SmallInt(NOT_PSEUDO),
            ]);
        }
    }
    (columns, rows)
}
