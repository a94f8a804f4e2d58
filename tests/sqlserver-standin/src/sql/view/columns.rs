//! Columns: `sys.columns`, identity and computed ones.

use super::Definition;
use super::objects::all_tables;
use super::types::user_type_id;
use super::view_columns::{Kind, NULL, SET, ViewColumns, bit, int, maybe, text, tiny};
use crate::data::{Collation, Datum, Type, Variant};
use crate::sql::catalog::{Table, TableColumn};
use crate::sql::function::Metadata;
use crate::sql::types;

macro_rules! column_columns {
    ($($more:tt)*) => {
        &[
            ("object_id", Kind::Int, SET),
            ("name", Kind::Name, NULL),
            ("column_id", Kind::Int, SET),
            ("system_type_id", Kind::Tiny, SET),
            ("user_type_id", Kind::Int, SET),
            ("max_length", Kind::Small, SET),
            ("precision", Kind::Tiny, SET),
            ("scale", Kind::Tiny, SET),
            ("collation_name", Kind::Name, NULL),
            ("is_nullable", Kind::Bit, NULL),
            ("is_ansi_padded", Kind::Bit, SET),
            ("is_rowguidcol", Kind::Bit, SET),
            ("is_identity", Kind::Bit, SET),
            ("is_computed", Kind::Bit, SET),
            ("is_filestream", Kind::Bit, SET),
            ("is_replicated", Kind::Bit, NULL),
            ("is_non_sql_subscribed", Kind::Bit, NULL),
            ("is_merge_published", Kind::Bit, NULL),
            ("is_dts_replicated", Kind::Bit, NULL),
            ("is_xml_document", Kind::Bit, SET),
            ("xml_collection_id", Kind::Int, SET),
            ("default_object_id", Kind::Int, SET),
            ("rule_object_id", Kind::Int, SET),
            ("is_sparse", Kind::Bit, NULL),
            ("is_column_set", Kind::Bit, NULL),
            ("generated_always_type", Kind::Tiny, NULL),
            ("generated_always_type_desc", Kind::Text(60), NULL),
            ("is_hidden", Kind::Bit, SET),
            ("is_masked", Kind::Bit, SET),
            $($more)*
        ]
    };
}

const COLUMNS: ViewColumns = column_columns!();

pub(super) const VIEWS: &[Definition] = &[
    Definition { schema: "sys", name: "columns", columns: COLUMNS, rows: columns },
    Definition { schema: "sys", name: "all_columns", columns: COLUMNS, rows: columns },
    Definition {
        schema: "sys",
        name: "identity_columns",
        columns: column_columns!(
            ("seed_value", Kind::Variant, NULL),
            ("increment_value", Kind::Variant, NULL),
            ("last_value", Kind::Variant, NULL),
            ("is_not_for_replication", Kind::Bit, NULL),
        ),
        rows: identity_columns,
    },
    Definition {
        schema: "sys",
        name: "computed_columns",
        columns: column_columns!(
            ("definition", Kind::Max, NULL),
            ("uses_database_collation", Kind::Bit, SET),
            ("is_persisted", Kind::Bit, SET),
        ),
        rows: computed_columns,
    },
];

fn column_row(table: &Table, column: &TableColumn) -> Vec<Datum> {
    let (precision, scale) = types::precision_and_scale(&column.r#type);
    vec![
        int(table.id),
        text(&column.name),
        int(column.id),
        tiny(types::system_type_id(&column.r#type)),
        int(column.alias.as_ref().map_or_else(|| user_type_id(&column.r#type), |(id, _)| *id)),
        Datum::SmallInt(types::max_length(&column.r#type)),
        tiny(precision),
        tiny(scale),
        maybe(column.r#type.collation().map(Collation::name)),
        bit(column.nullable),
        bit(types::is_text(&column.r#type) || types::is_binary(&column.r#type)),
        bit(column.rowguidcol),
        bit(column.identity.is_some()),
        bit(column.computed.is_some()),
        bit(false),
        bit(table.tracked),
        bit(false),
        bit(false),
        bit(false),
        bit(false),
        int(0),
        int(column.default.as_ref().map_or(0, |default| default.id)),
        int(0),
        bit(false),
        bit(false),
        tiny(0),
        text("NOT_APPLICABLE"),
        bit(false),
        bit(false),
    ]
}

fn columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let of_table = |table: &Table| table.columns.iter().map(|column| column_row(table, column)).collect::<Vec<_>>();
    all_tables(metadata).flat_map(|(_, table)| of_table(table)).collect()
}

fn identity_columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let number = |value: i64, r#type: &Type| {
        let value = match r#type {
            Type::BigInt => Datum::BigInt(value),
            _ => i32::try_from(value).map_or(Datum::BigInt(value), Datum::Int),
        };
        let r#type = if matches!(value, Datum::BigInt(_)) { Type::BigInt } else { Type::Int };
        Datum::Variant(Box::new(Variant { r#type, value }))
    };
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        for column in &table.columns {
            if let Some((seed, increment)) = column.identity {
                let mut row = column_row(table, column);
                let (seed, increment) = (number(seed, &column.r#type), number(increment, &column.r#type));
                // The last value is not in the catalogue.
                row.extend([seed, increment, Datum::Null, bit(false)]);
                rows.push(row);
            }
        }
    }
    rows
}

fn computed_columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        for column in &table.columns {
            if let Some(computed) = &column.computed {
                let mut row = column_row(table, column);
                row.extend([text(&computed.text), bit(false), bit(computed.persisted)]);
                rows.push(row);
            }
        }
    }
    rows
}
