//! `sys.databases`, `sys.configurations`.

use super::Definition;
use super::view_columns::{Kind, NULL, SET, bit, int, maybe, text, time, tiny};
use crate::data::{Datum, Type, Variant};
use crate::sql::function::Metadata;

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: "sys",
        name: "databases",
        columns: &[
            ("name", Kind::Name, SET),
            ("database_id", Kind::Int, SET),
            ("source_database_id", Kind::Int, NULL),
            ("owner_sid", Kind::Bytes(85), NULL),
            ("create_date", Kind::DateTime, SET),
            ("compatibility_level", Kind::Tiny, SET),
            ("collation_name", Kind::Name, NULL),
            ("user_access", Kind::Tiny, NULL),
            ("user_access_desc", Kind::Text(60), NULL),
            ("is_read_only", Kind::Bit, NULL),
            ("is_auto_close_on", Kind::Bit, SET),
            ("is_auto_shrink_on", Kind::Bit, NULL),
            ("state", Kind::Tiny, NULL),
            ("state_desc", Kind::Text(60), NULL),
            ("is_in_standby", Kind::Bit, NULL),
            ("snapshot_isolation_state", Kind::Tiny, NULL),
            ("snapshot_isolation_state_desc", Kind::Text(60), NULL),
            ("is_read_committed_snapshot_on", Kind::Bit, NULL),
            ("recovery_model", Kind::Tiny, NULL),
            ("recovery_model_desc", Kind::Text(60), NULL),
            ("is_ansi_nulls_on", Kind::Bit, NULL),
            ("is_quoted_identifier_on", Kind::Bit, NULL),
            ("is_published", Kind::Bit, SET),
            ("is_distributor", Kind::Bit, SET),
            ("is_broker_enabled", Kind::Bit, SET),
            ("log_reuse_wait", Kind::Tiny, NULL),
            ("log_reuse_wait_desc", Kind::Text(60), NULL),
            ("is_cdc_enabled", Kind::Bit, SET),
            ("is_encrypted", Kind::Bit, NULL),
            ("containment", Kind::Tiny, NULL),
            ("containment_desc", Kind::Text(60), NULL),
        ],
        rows: databases,
    },
    Definition {
        schema: "sys",
        name: "configurations",
        columns: &[
            ("configuration_id", Kind::Int, SET),
            ("name", Kind::Text(35), SET),
            ("value", Kind::Variant, NULL),
            ("minimum", Kind::Variant, NULL),
            ("maximum", Kind::Variant, NULL),
            ("value_in_use", Kind::Variant, NULL),
            ("description", Kind::Text(255), SET),
            ("is_dynamic", Kind::Bit, SET),
            ("is_advanced", Kind::Bit, SET),
        ],
        rows: configurations,
    },
];

fn databases(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let on_or_off = |on: bool| text(if on { "ON" } else { "OFF" });
    let row = |database: &crate::sql::function::DatabaseMetadata| {
        let options = &database.options;
        let recovery = match options.recovery.as_str() {
            "BULK_LOGGED" => 2,
            "SIMPLE" => 3,
            _ => 1,
        };
        // The catalogue has no earlier moment than that of its first table.
        let created = database.catalog.tables.values().map(|table| table.created).min().unwrap_or_default();
        vec![
            text(&database.name),
            int(database.id),
            Datum::Null,
            Datum::Bytes(vec![1]),
            time(created),
            tiny(u8::try_from(options.compatibility).unwrap_or(160)),
            text(database.collation.name()),
            tiny(0),
            text("MULTI_USER"),
            bit(options.read_only),
            bit(false),
            bit(false),
            tiny(0),
            text("ONLINE"),
            bit(false),
            tiny(u8::from(options.snapshot_isolation)),
            on_or_off(options.snapshot_isolation),
            bit(options.read_committed_snapshot),
            tiny(recovery),
            text(&options.recovery),
            bit(true),
            bit(true),
            bit(false),
            bit(false),
            bit(false),
            tiny(0),
            text("NOTHING"),
            bit(options.cdc),
            bit(false),
            tiny(0),
            text("NONE"),
        ]
    };
    metadata.databases.iter().map(row).collect()
}

/// (id, name, value, minimum, maximum, advanced): what clients ask for.
const CONFIGURATIONS: &[(i32, &str, i32, i32, i32, bool)] = &[
    (103, "user connections", 0, 0, 32767, true),
    (1536, "max text repl size (B)", 65536, -1, i32::MAX, false),
    (1544, "max server memory (MB)", i32::MAX, 128, i32::MAX, true),
    (16384, "Agent XPs", 1, 0, 1, true),
];

fn configurations(_: &Metadata) -> Vec<Vec<Datum>> {
    let number = |number: &i32| Datum::Variant(Box::new(Variant { r#type: Type::Int, value: Datum::Int(*number) }));
    CONFIGURATIONS
        .iter()
        .map(|(id, name, value, low, high, advanced)| {
            let value_in_use = number(value);
            let description = maybe(Some(name));
            vec![
                int(*id),
                text(name),
                number(value),
                number(low),
                number(high),
                value_in_use,
                description,
                bit(true),
                bit(*advanced),
            ]
        })
        .collect()
}
