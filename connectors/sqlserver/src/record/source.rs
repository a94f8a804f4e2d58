use bytestring::ByteString;
use tributary_api::{Result, Schema, SchemaRef, SchemaType, Struct, Value};

use crate::lsn::Lsn;
use crate::table::TableId;

/// The source block's mark for the place of a record in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotMark {
    True,
    First,
    FirstInDataCollection,
    LastInDataCollection,
    Last,
    False,
    Incremental,
}

const MARKS: &str = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

impl SnapshotMark {
    pub(crate) fn of(first_table: bool, last_table: bool, first_row: bool, last_row: bool) -> Self {
        match () {
            () if last_row && last_table => Self::Last,
            () if first_row && first_table => Self::First,
            () if last_row => Self::LastInDataCollection,
            () if first_row => Self::FirstInDataCollection,
            () => Self::True,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::False => "false",
            Self::Incremental => "incremental",
        }
    }
}

/// Where and when a change happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) table: &'a TableId,
    /// Nanoseconds since 1970.
    pub(crate) nanos: i64,
    pub(crate) snapshot: SnapshotMark,
    pub(crate) commit: Option<Lsn>,
    pub(crate) change: Option<Lsn>,
    pub(crate) serial: Option<i64>,
}

/// Builds source blocks.
#[derive(Clone, Debug)]
pub(crate) struct SourceSchema {
    schema: SchemaRef,
    version: Value,
    connector: Value,
    server: Value,
}

impl SourceSchema {
    pub(crate) fn new(server: &str) -> Self {
        let plain = |kind| Schema::new(kind).into_ref();
        let optional = |kind| Schema::new(kind).optional().into_ref();
        let (text, number) = (plain(SchemaType::String), plain(SchemaType::Int64));
        let (optional_text, optional_number) = (optional(SchemaType::String), optional(SchemaType::Int64));
        let snapshot = Schema::new(SchemaType::String)
            .named("io.debezium.data.Enum")
            .with_version(1)
            .with_parameter("allowed", MARKS)
            .with_default("false")
            .optional()
            .into_ref();
        let schema = Schema::structure([
            ("version", text.clone()),
            ("connector", text.clone()),
            ("name", text.clone()),
            ("ts_ms", number),
            ("snapshot", snapshot),
            ("db", text.clone()),
            ("sequence", optional_text.clone()),
            ("ts_us", optional_number.clone()),
            ("ts_ns", optional_number.clone()),
            ("schema", text.clone()),
            ("table", text),
            ("change_lsn", optional_text.clone()),
            ("commit_lsn", optional_text),
            ("event_serial_no", optional_number),
        ])
        .named("io.debezium.connector.sqlserver.Source")
        .with_version(1)
        .into_ref();
        Self { schema, version: env!("CARGO_PKG_VERSION").into(), connector: "sqlserver".into(), server: server.into() }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn value(&self, source: Source<'_>) -> Result<Value> {
        self.value_of_commit(source, source.commit.map(|lsn| lsn.text()).into())
    }

    /// The same with the text of the commit, which many changes share.
    pub(super) fn value_of_commit(&self, source: Source<'_>, commit: Value) -> Result<Value> {
        let values = vec![
            self.version.clone(),
            self.connector.clone(),
            self.server.clone(),
            Value::Int64(source.nanos.div_euclid(1_000_000)),
            Value::String(ByteString::from_static(source.snapshot.text())),
            Value::String(source.table.database.clone()),
            Value::Null,
            Value::Int64(source.nanos.div_euclid(1_000)),
            Value::Int64(source.nanos),
            Value::String(source.table.schema.clone()),
            Value::String(source.table.name.clone()),
            source.change.map(|lsn| lsn.text()).into(),
            commit,
            source.serial.into(),
        ];
        Ok(Value::Struct(Struct::new(self.schema.clone(), values)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_show_the_first_and_the_last_row_of_a_table_and_of_all() {
        use SnapshotMark::{First, FirstInDataCollection, Last, LastInDataCollection, True};
        assert_eq!(SnapshotMark::of(true, false, true, false), First);
        assert_eq!(SnapshotMark::of(true, false, false, false), True);
        assert_eq!(SnapshotMark::of(true, false, true, true), First);
        assert_eq!(SnapshotMark::of(false, false, true, false), FirstInDataCollection);
        assert_eq!(SnapshotMark::of(false, false, true, true), LastInDataCollection);
        assert_eq!(SnapshotMark::of(true, true, true, true), Last);
    }
}
