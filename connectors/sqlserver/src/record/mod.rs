//! Records in Debezium's format: names, schemas, source block, envelope.

mod builder;
mod envelope;
mod headers;
mod heartbeat;
mod names;
mod schema_change;
mod source;
mod table_schema;
mod transaction;

pub(crate) use self::builder::{Change, Last, Positions, RecordBuilder};
pub(crate) use self::headers::context_headers;
pub(crate) use self::heartbeat::Heartbeats;
pub(crate) use self::names::{Adjustment, Names};
pub(crate) use self::schema_change::{SchemaChange, SchemaChanges};
pub(crate) use self::source::{SnapshotMark, Source, SourceSchema};
pub(crate) use self::table_schema::{Layout, TableSchema};
pub(crate) use self::transaction::{TransactionRecords, transaction_block};
