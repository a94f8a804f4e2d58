//! Indexes and constraints.

use super::Definition;
use super::objects::{all_tables, constraint_row, key_kind, object_columns};
use super::view_columns::{Kind, NULL, SET, bit, int, maybe, text, tiny};
use crate::data::Datum;
use crate::sql::catalog::{Index, IndexKind, Table};
use crate::sql::function::Metadata;

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: "sys",
        name: "indexes",
        columns: &[
            ("object_id", Kind::Int, SET),
            ("name", Kind::Name, NULL),
            ("index_id", Kind::Int, SET),
            ("type", Kind::Tiny, SET),
            ("type_desc", Kind::Text(60), NULL),
            ("is_unique", Kind::Bit, NULL),
            ("data_space_id", Kind::Int, NULL),
            ("ignore_dup_key", Kind::Bit, NULL),
            ("is_primary_key", Kind::Bit, NULL),
            ("is_unique_constraint", Kind::Bit, NULL),
            ("fill_factor", Kind::Tiny, SET),
            ("is_padded", Kind::Bit, NULL),
            ("is_disabled", Kind::Bit, NULL),
            ("is_hypothetical", Kind::Bit, NULL),
            ("allow_row_locks", Kind::Bit, NULL),
            ("allow_page_locks", Kind::Bit, NULL),
            ("has_filter", Kind::Bit, NULL),
            ("filter_definition", Kind::Max, NULL),
        ],
        rows: indexes,
    },
    Definition {
        schema: "sys",
        name: "index_columns",
        columns: &[
            ("object_id", Kind::Int, SET),
            ("index_id", Kind::Int, SET),
            ("index_column_id", Kind::Int, SET),
            ("column_id", Kind::Int, SET),
            ("key_ordinal", Kind::Tiny, SET),
            ("partition_ordinal", Kind::Tiny, SET),
            ("is_descending_key", Kind::Bit, NULL),
            ("is_included_column", Kind::Bit, NULL),
        ],
        rows: index_columns,
    },
    Definition {
        schema: "sys",
        name: "key_constraints",
        columns: object_columns!(
            ("unique_index_id", Kind::Int, NULL),
            ("is_system_named", Kind::Bit, SET),
            ("is_enforced", Kind::Bit, NULL),
        ),
        rows: key_constraints,
    },
    Definition {
        schema: "sys",
        name: "default_constraints",
        columns: object_columns!(
            ("parent_column_id", Kind::Int, SET),
            ("definition", Kind::Max, NULL),
            ("is_system_named", Kind::Bit, SET),
        ),
        rows: default_constraints,
    },
    Definition {
        schema: "sys",
        name: "check_constraints",
        columns: object_columns!(
            ("is_disabled", Kind::Bit, SET),
            ("is_not_for_replication", Kind::Bit, SET),
            ("is_not_trusted", Kind::Bit, SET),
            ("parent_column_id", Kind::Int, SET),
            ("definition", Kind::Max, NULL),
            ("uses_database_collation", Kind::Bit, NULL),
            ("is_system_named", Kind::Bit, SET),
        ),
        rows: check_constraints,
    },
    Definition {
        schema: "sys",
        name: "foreign_keys",
        columns: object_columns!(
            ("referenced_object_id", Kind::Int, NULL),
            ("key_index_id", Kind::Int, NULL),
            ("is_disabled", Kind::Bit, SET),
            ("is_not_for_replication", Kind::Bit, SET),
            ("is_not_trusted", Kind::Bit, SET),
            ("delete_referential_action", Kind::Tiny, NULL),
            ("delete_referential_action_desc", Kind::Text(60), NULL),
            ("update_referential_action", Kind::Tiny, NULL),
            ("update_referential_action_desc", Kind::Text(60), NULL),
            ("is_system_named", Kind::Bit, SET),
        ),
        rows: foreign_keys,
    },
    Definition {
        schema: "sys",
        name: "foreign_key_columns",
        columns: &[
            ("constraint_object_id", Kind::Int, SET),
            ("constraint_column_id", Kind::Int, SET),
            ("parent_object_id", Kind::Int, SET),
            ("parent_column_id", Kind::Int, SET),
            ("referenced_object_id", Kind::Int, SET),
            ("referenced_column_id", Kind::Int, SET),
        ],
        rows: foreign_key_columns,
    },
];

fn indexes(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        if !table.indexes.iter().any(|index| index.clustered) {
            rows.push(index_row(table, None));
        }
        rows.extend(table.indexes.iter().map(|index| index_row(table, Some(index))));
    }
    rows
}

/// The row of an index, or of the heap.
fn index_row(table: &Table, index: Option<&Index>) -> Vec<Datum> {
    let (kind, described) = match index {
        None => (0, "HEAP"),
        Some(index) if index.clustered => (1, "CLUSTERED"),
        Some(_) => (2, "NONCLUSTERED"),
    };
    let is = |kind| bit(index.is_some_and(|index| index.kind == kind));
    let filter = index.and_then(|index| index.filter.as_deref());
    vec![
        int(table.id),
        maybe(index.map(|index| index.name.as_str())),
        int(index.map_or(0, |index| index.id)),
        tiny(kind),
        text(described),
        bit(index.is_some_and(|index| index.unique)),
        int(1),
        bit(false),
        is(IndexKind::PrimaryKey),
        is(IndexKind::UniqueConstraint),
        tiny(0),
        bit(false),
        bit(false),
        bit(false),
        bit(true),
        bit(true),
        bit(filter.is_some()),
        maybe(filter),
    ]
}

fn index_columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        for index in &table.indexes {
            let keys = index.columns.iter().map(|(column, descending)| (*column, *descending, false));
            let included = index.included.iter().map(|column| (*column, false, true));
            for ((column, descending, included), place) in keys.chain(included).zip(1_u8..) {
                rows.push(vec![
                    int(table.id),
                    int(index.id),
                    int(i32::from(place)),
                    int(column),
                    tiny(if included { 0 } else { place }),
                    tiny(0),
                    bit(descending),
                    bit(included),
                ]);
            }
        }
    }
    rows
}

fn key_constraints(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (catalog, table) in all_tables(metadata) {
        for index in table.indexes.iter().filter(|index| index.object_id != 0) {
            let mut row = constraint_row(catalog, table, &index.name, index.object_id, key_kind(index.kind));
            row.extend([int(index.id), bit(index.system_named), bit(true)]);
            rows.push(row);
        }
    }
    rows
}

fn default_constraints(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (catalog, table) in all_tables(metadata) {
        for (column, default) in table.columns.iter().filter_map(|c| c.default.as_ref().map(|d| (c, d))) {
            let mut row = constraint_row(catalog, table, &default.name, default.id, ("D", "DEFAULT_CONSTRAINT"));
            row.extend([int(column.id), text(&default.text), bit(default.system_named)]);
            rows.push(row);
        }
    }
    rows
}

fn check_constraints(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (catalog, table) in all_tables(metadata) {
        for check in &table.checks {
            let mut row = constraint_row(catalog, table, &check.name, check.id, ("C", "CHECK_CONSTRAINT"));
            row.extend([false; 3].map(bit));
            row.extend([int(check.column), text(&check.text), bit(true), bit(check.system_named)]);
            rows.push(row);
        }
    }
    rows
}

fn foreign_keys(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (catalog, table) in all_tables(metadata) {
        for key in &table.foreign_keys {
            let (number, described) = if key.cascade { (1, "CASCADE") } else { (0, "NO_ACTION") };
            let mut row = constraint_row(catalog, table, &key.name, key.id, ("F", "FOREIGN_KEY_CONSTRAINT"));
            row.extend([int(key.referenced), int(1)]);
            row.extend([false; 3].map(bit));
            row.extend([tiny(number), text(described), tiny(0), text("NO_ACTION"), bit(key.system_named)]);
            rows.push(row);
        }
    }
    rows
}

fn foreign_key_columns(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        for key in &table.foreign_keys {
            for ((here, there), place) in key.columns.iter().zip(1..) {
                rows.push([key.id, place, table.id, *here, key.referenced, *there].map(int).to_vec());
            }
        }
    }
    rows
}
