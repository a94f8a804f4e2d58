//! `sp_tables` and `sp_databases`.

use super::{Rows, arguments::Arguments, column, sysname, text, varchar};
use crate::data::{Datum, Type};
use crate::sql::function::{DatabaseMetadata, Metadata};

pub(super) fn tables(arguments: &Arguments, database: &DatabaseMetadata, _: &Metadata) -> Rows {
    let columns = vec![
        sysname("TABLE_QUALIFIER"),
        sysname("TABLE_OWNER"),
        sysname("TABLE_NAME"),
        varchar("TABLE_TYPE", 32),
        varchar("REMARKS", 254),
    ];
    let tables = database.catalog.tables.values().map(|table| ("TABLE", &table.schema, &table.name));
    let views = database.catalog.views.values().map(|view| ("VIEW", &view.schema, &view.name));
    let mut found: Vec<_> = tables
        .chain(views)
        .filter(|(kind, schema, name)| {
            is_wanted(arguments.text("@table_type"), kind)
                && arguments.fits("@table_owner", schema)
                && arguments.fits("@table_name", name)
        })
        .collect();
    found.sort();
    let row = |(kind, schema, name): (&str, &String, &String)| {
        vec![text(&database.name), text(schema), text(name), text(kind), Datum::Null]
    };
    (columns, found.into_iter().map(row).collect())
}

/// The kinds are written as `'TABLE','VIEW'`, with their quotes; nothing or `%` means all.
fn is_wanted(kinds: Option<&str>, kind: &str) -> bool {
    let Some(kinds) = kinds else { return true };
    let mut kinds = kinds.split(',').map(|kind| kind.trim().trim_matches('\''));
    kinds.any(|wanted| wanted.is_empty() || wanted == "%" || wanted.eq_ignore_ascii_case(kind))
}

pub(super) fn databases(_: &Arguments, _: &DatabaseMetadata, metadata: &Metadata) -> Rows {
    /// In kilobytes: what a new database takes.
    const SIZE: i32 = 16384;
    let columns = vec![sysname("DATABASE_NAME"), column("DATABASE_SIZE", Type::Int), varchar("REMARKS", 254)];
    let mut names: Vec<&str> = metadata
        .databases
        .iter()
        .filter(|database| database.accessible)
        .map(|database| database.name.as_str())
        .collect();
    names.sort_unstable();
    (columns, names.into_iter().map(|name| vec![text(name), Datum::Int(SIZE), Datum::Null]).collect())
}
