//! Schemas, objects, tables and views.

use super::Definition;
use super::view_columns::{Kind, NULL, SET, ViewColumns, bit, int, text, time, tiny};
use crate::data::Datum;
use crate::sql::catalog::{Catalog, IndexKind, Table};
use crate::sql::function::Metadata;

/// The `schema_id` of the system's own schemas.
pub(super) const SYS: i32 = 4;
pub(super) const INFORMATION_SCHEMA: i32 = 3;

macro_rules! object_columns {
    ($($more:tt)*) => {
        &[
            ("name", Kind::Name, SET),
            ("object_id", Kind::Int, SET),
            ("principal_id", Kind::Int, NULL),
            ("schema_id", Kind::Int, SET),
            ("parent_object_id", Kind::Int, SET),
            ("type", Kind::Char(2), NULL),
            ("type_desc", Kind::Text(60), NULL),
            ("create_date", Kind::DateTime, SET),
            ("modify_date", Kind::DateTime, SET),
            ("is_ms_shipped", Kind::Bit, SET),
            ("is_published", Kind::Bit, SET),
            ("is_schema_published", Kind::Bit, SET),
            $($more)*
        ]
    };
}
pub(super) use object_columns;

const OBJECTS: ViewColumns = object_columns!();

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: "sys",
        name: "schemas",
        columns: &[("name", Kind::Name, SET), ("schema_id", Kind::Int, SET), ("principal_id", Kind::Int, NULL)],
        rows: schemas,
    },
    Definition { schema: "sys", name: "objects", columns: OBJECTS, rows: objects },
    Definition { schema: "sys", name: "all_objects", columns: OBJECTS, rows: all_objects },
    Definition { schema: "sys", name: "system_objects", columns: OBJECTS, rows: system_objects },
    Definition {
        schema: "sys",
        name: "tables",
        columns: object_columns!(
            ("lob_data_space_id", Kind::Int, SET),
            ("filestream_data_space_id", Kind::Int, NULL),
            ("max_column_id_used", Kind::Int, SET),
            ("lock_on_bulk_load", Kind::Bit, SET),
            ("uses_ansi_nulls", Kind::Bit, NULL),
            ("is_replicated", Kind::Bit, NULL),
            ("has_replication_filter", Kind::Bit, NULL),
            ("is_merge_published", Kind::Bit, NULL),
            ("is_sync_tran_subscribed", Kind::Bit, NULL),
            ("has_unchecked_assembly_data", Kind::Bit, SET),
            ("text_in_row_limit", Kind::Int, NULL),
            ("large_value_types_out_of_row", Kind::Bit, NULL),
            ("is_tracked_by_cdc", Kind::Bit, NULL),
            ("lock_escalation", Kind::Tiny, NULL),
            ("lock_escalation_desc", Kind::Text(60), NULL),
            ("is_filetable", Kind::Bit, NULL),
            ("is_memory_optimized", Kind::Bit, NULL),
            ("durability", Kind::Tiny, NULL),
            ("durability_desc", Kind::Text(60), NULL),
            ("temporal_type", Kind::Tiny, NULL),
            ("temporal_type_desc", Kind::Text(60), NULL),
            ("history_table_id", Kind::Int, NULL),
            ("is_remote_data_archive_enabled", Kind::Bit, NULL),
            ("is_external", Kind::Bit, SET),
            ("is_node", Kind::Bit, NULL),
            ("is_edge", Kind::Bit, NULL),
        ),
        rows: tables,
    },
    Definition {
        schema: "sys",
        name: "views",
        columns: object_columns!(
            ("is_replicated", Kind::Bit, NULL),
            ("has_replication_filter", Kind::Bit, NULL),
            ("has_opaque_metadata", Kind::Bit, SET),
            ("has_unchecked_assembly_data", Kind::Bit, SET),
            ("with_check_option", Kind::Bit, SET),
            ("is_date_correlation_view", Kind::Bit, SET),
        ),
        rows: views,
    },
    Definition {
        schema: "sys",
        name: "sysobjects",
        columns: &[
            ("name", Kind::Name, SET),
            ("id", Kind::Int, SET),
            ("xtype", Kind::Char(2), SET),
            ("uid", Kind::Small, NULL),
            ("parent_obj", Kind::Int, SET),
            ("crdate", Kind::DateTime, SET),
            ("type", Kind::Char(2), NULL),
        ],
        rows: sysobjects,
    },
    Definition {
        schema: "sys",
        name: "partitions",
        columns: &[
            ("partition_id", Kind::Big, SET),
            ("object_id", Kind::Int, SET),
            ("index_id", Kind::Int, SET),
            ("partition_number", Kind::Int, SET),
            ("hobt_id", Kind::Big, SET),
            ("rows", Kind::Big, NULL),
            ("filestream_filegroup_id", Kind::Small, SET),
            ("data_compression", Kind::Tiny, SET),
            ("data_compression_desc", Kind::Text(60), NULL),
        ],
        rows: partitions,
    },
    Definition {
        schema: "sys",
        name: "extended_properties",
        columns: &[
            ("class", Kind::Tiny, SET),
            ("class_desc", Kind::Text(60), NULL),
            ("major_id", Kind::Int, SET),
            ("minor_id", Kind::Int, SET),
            ("name", Kind::Name, SET),
            ("value", Kind::Variant, NULL),
        ],
        rows: |_| Vec::new(),
    },
    Definition {
        schema: "sys",
        name: "sql_modules",
        columns: &[
            ("object_id", Kind::Int, SET),
            ("definition", Kind::Max, NULL),
            ("uses_ansi_nulls", Kind::Bit, NULL),
            ("uses_quoted_identifier", Kind::Bit, NULL),
            ("is_schema_bound", Kind::Bit, NULL),
        ],
        rows: sql_modules,
    },
];

/// The current database's catalogue.
pub(super) fn catalog(metadata: &Metadata) -> Option<&Catalog> {
    metadata.databases.iter().find(|database| database.id == metadata.current).map(|database| &*database.catalog)
}

pub(super) fn all_tables(metadata: &Metadata) -> impl Iterator<Item = (&Catalog, &Table)> {
    catalog(metadata).into_iter().flat_map(|catalog| catalog.tables.values().map(move |table| (catalog, &**table)))
}

pub(super) fn schema_id(catalog: &Catalog, schema: &str) -> i32 {
    catalog.schema(schema).map_or(1, |schema| schema.id)
}

/// What all objects have in common.
struct Object<'a> {
    name: &'a str,
    id: i32,
    schema: i32,
    parent: i32,
    kind: (&'static str, &'static str),
    created: i64,
    modified: i64,
    shipped: bool,
}

impl Object<'_> {
    fn row(&self) -> Vec<Datum> {
        let (letters, described) = self.kind;
        vec![
            text(self.name),
            int(self.id),
            Datum::Null,
            int(self.schema),
            int(self.parent),
            text(&format!("{letters:<2}")),
            text(described),
            time(self.created),
            time(self.modified),
            bit(self.shipped),
            bit(false),
            bit(false),
        ]
    }
}

fn table_object<'a>(catalog: &Catalog, table: &'a Table) -> Object<'a> {
    Object {
        name: &table.name,
        id: table.id,
        schema: schema_id(catalog, &table.schema),
        parent: 0,
        kind: ("U", "USER_TABLE"),
        created: table.created,
        modified: table.modified,
        shipped: table.shipped,
    }
}

/// A row of `sys.objects` for a constraint of a table.
pub(super) fn constraint_row(
    catalog: &Catalog,
    table: &Table,
    name: &str,
    id: i32,
    kind: (&'static str, &'static str),
) -> Vec<Datum> {
    Object { name, id, parent: table.id, kind, ..table_object(catalog, table) }.row()
}

fn schemas(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let Some(catalog) = catalog(metadata) else { return Vec::new() };
    let own = catalog.schemas.values().map(|schema| vec![text(&schema.name), int(schema.id), int(schema.owner)]);
    let mut rows: Vec<_> = own.collect();
    for (name, id) in [("sys", SYS), ("INFORMATION_SCHEMA", INFORMATION_SCHEMA)] {
        if catalog.schema(name).is_none() {
            rows.push(vec![text(name), int(id), int(id)]);
        }
    }
    rows
}

fn objects(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (catalog, table) in all_tables(metadata) {
        rows.push(table_object(catalog, table).row());
        let mut constraint = |name: &str, id, kind| rows.push(constraint_row(catalog, table, name, id, kind));
        for index in table.indexes.iter().filter(|index| index.object_id != 0) {
            constraint(&index.name, index.object_id, key_kind(index.kind));
        }
        for check in &table.checks {
            constraint(&check.name, check.id, ("C", "CHECK_CONSTRAINT"));
        }
        for key in &table.foreign_keys {
            constraint(&key.name, key.id, ("F", "FOREIGN_KEY_CONSTRAINT"));
        }
        for default in table.columns.iter().filter_map(|column| column.default.as_ref()) {
            constraint(&default.name, default.id, ("D", "DEFAULT_CONSTRAINT"));
        }
    }
    rows.extend(view_rows(metadata));
    rows
}

pub(super) fn key_kind(kind: IndexKind) -> (&'static str, &'static str) {
    match kind {
        IndexKind::PrimaryKey => ("PK", "PRIMARY_KEY_CONSTRAINT"),
        IndexKind::UniqueConstraint | IndexKind::Index => ("UQ", "UNIQUE_CONSTRAINT"),
    }
}

fn view_rows(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let Some(catalog) = catalog(metadata) else { return Vec::new() };
    let row = |view: &crate::sql::catalog::View| {
        Object {
            name: &view.name,
            id: view.id,
            schema: schema_id(catalog, &view.schema),
            parent: 0,
            kind: ("V", "VIEW"),
            created: view.created,
            modified: view.modified,
            shipped: false,
        }
        .row()
    };
    catalog.views.values().map(|view| row(view)).collect()
}

fn system_objects(metadata: &Metadata) -> Vec<Vec<Datum>> {
    if catalog(metadata).is_none() {
        return Vec::new();
    }
    let row = |(schema, name, id): (&str, &str, i32)| {
        let schema = if schema == "sys" { SYS } else { INFORMATION_SCHEMA };
        Object { name, id, schema, parent: 0, kind: ("V", "VIEW"), created: 0, modified: 0, shipped: true }.row()
    };
    super::system_views().map(row).collect()
}

fn all_objects(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = objects(metadata);
    rows.extend(system_objects(metadata));
    rows
}

fn tables(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let row = |(catalog, table): (&Catalog, &Table)| {
        let mut row = table_object(catalog, table).row();
        row.extend([
            int(0),
            Datum::Null,
            int(table.last_column_id),
            bit(false),
            bit(true),
            bit(table.tracked),
            bit(false),
            bit(false),
            bit(false),
            bit(false),
            int(0),
            bit(false),
            bit(table.tracked),
            tiny(0),
            text("TABLE"),
            bit(false),
            bit(false),
            tiny(0),
            text("SCHEMA_AND_DATA"),
            tiny(0),
            text("NON_TEMPORAL_TABLE"),
            Datum::Null,
            bit(false),
            bit(false),
            bit(false),
            bit(false),
        ]);
        row
    };
    all_tables(metadata).map(row).collect()
}

fn views(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = view_rows(metadata);
    for row in &mut rows {
        row.extend([false; 6].map(bit));
    }
    rows
}

fn sysobjects(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let row = |row: Vec<Datum>| {
        let [name, id, _, schema, parent, kind, _, created, ..] = &row[..] else { return Vec::new() };
        let schema = match schema {
            Datum::Int(id) => i16::try_from(*id).map_or(Datum::Null, Datum::SmallInt),
            _ => Datum::Null,
        };
        vec![name.clone(), id.clone(), kind.clone(), schema, parent.clone(), created.clone(), kind.clone()]
    };
    objects(metadata).into_iter().map(row).collect()
}

/// Each table is one partition. How many rows it has is not known without reading it.
fn partitions(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for (_, table) in all_tables(metadata) {
        let heap = (!table.indexes.iter().any(|index| index.clustered)).then_some(0);
        for index_id in heap.into_iter().chain(table.indexes.iter().map(|index| index.id)) {
            let id = i64::from(table.id) << 16 | i64::from(index_id);
            rows.push(vec![
                Datum::BigInt(id),
                int(table.id),
                int(index_id),
                int(1),
                Datum::BigInt(id),
                Datum::Null,
                Datum::SmallInt(0),
                tiny(0),
                text("NONE"),
            ]);
        }
    }
    rows
}

fn sql_modules(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let views = catalog(metadata).into_iter().flat_map(|catalog| catalog.views.values());
    views.map(|view| vec![int(view.id), text(&view.text), bit(true), bit(true), bit(false)]).collect()
}
