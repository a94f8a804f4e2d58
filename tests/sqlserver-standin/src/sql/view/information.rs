//! `INFORMATION_SCHEMA`.

use super::Definition;
use super::objects::{all_tables, catalog};
use super::view_columns::{Kind, NULL, SET, int, maybe, text, tiny};
use crate::data::{Collation, Datum, Type};
use crate::sql::catalog::{IndexKind, Table, TableColumn};
use crate::sql::function::Metadata;
use crate::sql::types;

const SCHEMA: &str = "INFORMATION_SCHEMA";

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: SCHEMA,
        name: "TABLES",
        columns: &[
            ("TABLE_CATALOG", Kind::Name, NULL),
            ("TABLE_SCHEMA", Kind::Name, NULL),
            ("TABLE_NAME", Kind::Name, SET),
            ("TABLE_TYPE", Kind::Varchar(10), NULL),
        ],
        rows: tables,
    },
    Definition {
        schema: SCHEMA,
        name: "SCHEMATA",
        columns: &[
            ("CATALOG_NAME", Kind::Name, NULL),
            ("SCHEMA_NAME", Kind::Name, SET),
            ("SCHEMA_OWNER", Kind::Name, NULL),
        ],
        rows: schemata,
    },
    Definition {
        schema: SCHEMA,
        name: "COLUMNS",
        columns: &[
            ("TABLE_CATALOG", Kind::Name, NULL),
            ("TABLE_SCHEMA", Kind::Name, NULL),
            ("TABLE_NAME", Kind::Name, SET),
            ("COLUMN_NAME", Kind::Name, NULL),
            ("ORDINAL_POSITION", Kind::Int, NULL),
            ("COLUMN_DEFAULT", Kind::Text(4000), NULL),
            ("IS_NULLABLE", Kind::Varchar(3), NULL),
            ("DATA_TYPE", Kind::Name, NULL),
            ("CHARACTER_MAXIMUM_LENGTH", Kind::Int, NULL),
            ("CHARACTER_OCTET_LENGTH", Kind::Int, NULL),
            ("NUMERIC_PRECISION", Kind::Tiny, NULL),
            ("NUMERIC_PRECISION_RADIX", Kind::Small, NULL),
            ("NUMERIC_SCALE", Kind::Int, NULL),
            ("DATETIME_PRECISION", Kind::Small, NULL),
            ("CHARACTER_SET_NAME", Kind::Name, NULL),
            ("COLLATION_NAME", Kind::Name, NULL),
        ],
        rows: columns,
    },
    Definition {
        schema: SCHEMA,
        name: "TABLE_CONSTRAINTS",
        columns: &[
            ("CONSTRAINT_CATALOG", Kind::Name, NULL),
            ("CONSTRAINT_SCHEMA", Kind::Name, NULL),
            ("CONSTRAINT_NAME", Kind::Name, SET),
            ("TABLE_CATALOG", Kind::Name, NULL),
            ("TABLE_SCHEMA", Kind::Name, NULL),
            ("TABLE_NAME", Kind::Name, NULL),
            ("CONSTRAINT_TYPE", Kind::Varchar(11), NULL),
            ("IS_DEFERRABLE", Kind::Varchar(2), SET),
            ("INITIALLY_DEFERRED", Kind::Varchar(2), SET),
        ],
        rows: table_constraints,
    },
    Definition {
        schema: SCHEMA,
        name: "KEY_COLUMN_USAGE",
        columns: &[
            ("CONSTRAINT_CATALOG", Kind::Name, NULL),
            ("CONSTRAINT_SCHEMA", Kind::Name, NULL),
            ("CONSTRAINT_NAME", Kind::Name, SET),
            ("TABLE_CATALOG", Kind::Name, NULL),
            ("TABLE_SCHEMA", Kind::Name, NULL),
            ("TABLE_NAME", Kind::Name, NULL),
            ("COLUMN_NAME", Kind::Name, NULL),
            ("ORDINAL_POSITION", Kind::Int, SET),
        ],
        rows: key_column_usage,
    },
];

fn database(metadata: &Metadata) -> Datum {
    let current = metadata.databases.iter().find(|database| database.id == metadata.current);
    maybe(current.map(|database| database.name.as_str()))
}

fn tables(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let own = database(metadata);
    let row = |schema: &str, name: &str, kind: &str| vec![own.clone(), text(schema), text(name), text(kind)];
    let mut rows: Vec<_> =
        all_tables(metadata).map(|(_, table)| row(&table.schema, &table.name, "BASE TABLE")).collect();
    let views = catalog(metadata).into_iter().flat_map(|catalog| catalog.views.values());
    rows.extend(views.map(|view| row(&view.schema, &view.name, "VIEW")));
    rows
}

fn schemata(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let own = database(metadata);
    let Some(catalog) = catalog(metadata) else { return Vec::new() };
    let owner = |id| catalog.principals.get(&id).map_or("dbo", |principal| principal.name.as_str());
    let schemas = catalog.schemas.values();
    schemas.map(|schema| vec![own.clone(), text(&schema.name), text(owner(schema.owner))]).collect()
}

fn columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let own = database(metadata);
    let of = |table: &Table| -> Vec<Vec<Datum>> {
        table.columns.iter().zip(1..).map(|(column, place)| column_row(&own, table, column, place)).collect()
    };
    all_tables(metadata).flat_map(|(_, table)| of(table)).collect()
}

fn column_row(own: &Datum, table: &Table, column: &TableColumn, place: i32) -> Vec<Datum> {
    let kind = &column.r#type;
    let (characters, bytes) = lengths(kind);
    let number = |number: Option<i32>| number.map_or(Datum::Null, Datum::Int);
    let (precision, radix, scale) = match kind {
        Type::Real | Type::Float => (tiny(types::precision_and_scale(kind).0), Datum::SmallInt(2), Datum::Null),
        _ if types::is_number(kind) && *kind != Type::Bit => {
            let (precision, scale) = types::precision_and_scale(kind);
            (tiny(precision), Datum::SmallInt(10), int(i32::from(scale)))
        }
        _ => (Datum::Null, Datum::Null, Datum::Null),
    };
    let fraction =
        if types::is_temporal(kind) { Datum::SmallInt(i16::from(types::time_scale(kind))) } else { Datum::Null };
    let set = match kind.collation() {
        Some(_) if types::is_unicode(kind) => text("UNICODE"),
        Some(collation) if collation.is_utf8() => text("utf_8"),
        Some(_) => text("iso_1"),
        None => Datum::Null,
    };
    vec![
        own.clone(),
        text(&table.schema),
        text(&table.name),
        text(&column.name),
        int(place),
        maybe(column.default.as_ref().map(|default| default.text.as_str())),
        text(if column.nullable { "YES" } else { "NO" }),
        text(types::name(kind)),
        number(characters),
        number(bytes),
        precision,
        radix,
        scale,
        fraction,
        set,
        maybe(kind.collation().map(Collation::name)),
    ]
}

/// The longest value in characters (or bytes of a binary type) and in bytes; -1 for `max`.
fn lengths(kind: &Type) -> (Option<i32>, Option<i32>) {
    match kind {
        Type::Text { .. } | Type::Image => (Some(i32::MAX), Some(i32::MAX)),
        Type::NText { .. } => (Some(i32::MAX / 2), Some(i32::MAX - 1)),
        Type::Xml => (Some(-1), Some(-1)),
        _ if types::is_text(kind) || types::is_binary(kind) => match types::size(kind) {
            Some(size) => (Some(i32::from(size)), Some(i32::from(types::max_length(kind)))),
            None => (Some(-1), Some(-1)),
        },
        _ => (None, None),
    }
}

fn table_constraints(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let own = database(metadata);
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        let keys = table
            .indexes
            .iter()
            .filter(|index| index.object_id != 0)
            .map(|index| (&index.name, if index.kind == IndexKind::PrimaryKey { "PRIMARY KEY" } else { "UNIQUE" }));
        let foreign = table.foreign_keys.iter().map(|key| (&key.name, "FOREIGN KEY"));
        let checks = table.checks.iter().map(|check| (&check.name, "CHECK"));
        for (name, kind) in keys.chain(foreign).chain(checks) {
            rows.push(vec![
                own.clone(),
                text(&table.schema),
                text(name),
                own.clone(),
                text(&table.schema),
                text(&table.name),
                text(kind),
                text("NO"),
                text("NO"),
            ]);
        }
    }
    rows
}

fn key_column_usage(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let own = database(metadata);
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        let mut usage = |name: &str, columns: &mut dyn Iterator<Item = i32>| {
            for (column, place) in columns.zip(1..) {
                let column = table.column_by_id(column).map(|column| column.name.as_str());
                rows.push(vec![
                    own.clone(),
                    text(&table.schema),
                    text(name),
                    own.clone(),
                    text(&table.schema),
                    text(&table.name),
                    maybe(column),
                    int(place),
                ]);
            }
        };
        for index in table.indexes.iter().filter(|index| index.object_id != 0) {
            usage(&index.name, &mut index.columns.iter().map(|(column, _)| *column));
        }
        for key in &table.foreign_keys {
            usage(&key.name, &mut key.columns.iter().map(|(here, _)| *here));
        }
    }
    rows
}
