use tributary_api::{
    Datum, Record, Result, Schema, SchemaRef, SchemaType, SourceOffset, SourcePartition, Struct, Topic, Value,
};

use super::{Adjustment, Names};
use crate::transaction::Transaction;

/// Builds the metadata of transactions: records of beginning and end, and the place of each change.
#[derive(Debug)]
pub(crate) struct TransactionRecords {
    topic: Topic,
    key: SchemaRef,
    value: SchemaRef,
    collection: SchemaRef,
    block: SchemaRef,
}

/// The schema of the place of a change in its transaction.
pub(crate) fn transaction_block() -> SchemaRef {
    let number = Schema::new(SchemaType::Int64).into_ref();
    Schema::structure([
        ("id", Schema::new(SchemaType::String).into_ref()),
        ("total_order", number.clone()),
        ("data_collection_order", number),
    ])
    .named("event.block")
    .with_version(1)
    .optional()
    .into_ref()
}

impl TransactionRecords {
    pub(crate) fn new(names: &Names, adjustment: Adjustment, block: SchemaRef) -> Self {
        let named = |name: &str| adjustment.schema_name(name).into_owned();
        let text = Schema::new(SchemaType::String).into_ref();
        let number = Schema::new(SchemaType::Int64).into_ref();
        let collection = Schema::structure([("data_collection", text.clone()), ("event_count", number.clone())])
            .named("event.collection")
            .with_version(1)
            .optional()
            .into_ref();
        let key = Schema::structure([("id", text.clone())])
            .named(named("io.debezium.connector.common.TransactionMetadataKey"))
            .with_version(1)
            .into_ref();
        let value = Schema::structure([
            ("status", text.clone()),
            ("id", text),
            ("event_count", Schema::new(SchemaType::Int64).optional().into_ref()),
            ("data_collections", Schema::array(collection.clone()).optional().into_ref()),
            ("ts_ms", number),
        ])
        .named(named("io.debezium.connector.common.TransactionMetadataValue"))
        .with_version(1)
        .into_ref();
        Self { topic: names.transactions(), key, value, collection, block }
    }

    /// The record of a transaction's beginning.
    pub(crate) fn begin(
        &self,
        transaction: &Transaction,
        millis: i64,
        source: (&SourcePartition, SourceOffset),
    ) -> Result<Record> {
        self.record("BEGIN", transaction, [Value::Null, Value::Null], millis, source)
    }

    /// The record of a transaction's end, with the number of events per table.
    pub(crate) fn end(
        &self,
        transaction: &Transaction,
        millis: i64,
        source: (&SourcePartition, SourceOffset),
    ) -> Result<Record> {
        let mut collections = Vec::new();
        for (name, count) in transaction.tables() {
            let values = vec![Value::String(name.clone()), Value::Int64(count)];
            collections.push(Value::Struct(Struct::new(self.collection.clone(), values)?));
        }
        let counts = [Value::Int64(transaction.events()), Value::Array(collections)];
        self.record("END", transaction, counts, millis, source)
    }

    /// The place of the event that was counted last.
    pub(crate) fn place(&self, transaction: &Transaction, table_order: i64) -> Result<Value> {
        let id = Value::String(transaction.id().clone());
        let values = vec![id, Value::Int64(transaction.events()), Value::Int64(table_order)];
        Ok(Value::Struct(Struct::new(self.block.clone(), values)?))
    }

    fn record(
        &self,
        status: &'static str,
        transaction: &Transaction,
        [events, collections]: [Value; 2],
        millis: i64,
        (partition, offset): (&SourcePartition, SourceOffset),
    ) -> Result<Record> {
        let id = || Value::String(transaction.id().clone());
        let key = Struct::new(self.key.clone(), vec![id()])?;
        let values = vec![status.into(), id(), events, collections, Value::Int64(millis)];
        let value = Struct::new(self.value.clone(), values)?;
        let record = Record::new(Topic::clone(&self.topic), Datum::new(self.value.clone(), value));
        Ok(record.with_key(Datum::new(self.key.clone(), key)).from_source(partition, offset))
    }
}
