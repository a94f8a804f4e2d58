use tributary_api::{Datum, Headers, Record, Result, SourceOffset, SourcePartition, Struct, Topic, Value};

use super::{Source, SourceSchema, TableSchema};
use crate::clock::now_nanos;

/// What happened to a row.
#[derive(Debug)]
pub(crate) enum Change {
    Read(Vec<Value>),
    Create(Vec<Value>),
    Update { before: Vec<Value>, after: Vec<Value> },
    Delete(Vec<Value>),
}

/// The positions before and behind a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets<'a> {
    pub(crate) before: &'a SourceOffset,
    pub(crate) after: &'a SourceOffset,
}

/// Makes records of changes.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    pub(crate) source: SourceSchema,
    pub(crate) partition: SourcePartition,
    pub(crate) headers: Headers,
    pub(crate) tombstones: bool,
}

impl RecordBuilder {
    /// A change's record, and what follows it. Only the last one has the offset behind the change: one that is stored
    /// before all of them are written must not skip the rest.
    #[expect(clippy::too_many_arguments, reason = "a record has that many parts")]
    pub(crate) fn push(
        &self,
        records: &mut Vec<Record>,
        schema: &TableSchema,
        change: Change,
        source: Source<'_>,
        transaction: Value,
        offsets: Offsets<'_>,
    ) -> Result<()> {
        let Offsets { before: earlier, after: offset } = offsets;
        match change {
            Change::Read(values) => {
                let key = schema.key(&values)?;
                let after = schema.row(values)?;
                records.push(self.record(schema, key, "r", (Value::Null, after), source, transaction, offset)?);
            }
            Change::Create(values) => {
                let key = schema.key(&values)?;
                let after = schema.row(values)?;
                records.push(self.record(schema, key, "c", (Value::Null, after), source, transaction, offset)?);
            }
            Change::Delete(values) => {
                let key = schema.key(&values)?;
                let before = schema.row(values)?;
                let first = if self.tombstones { earlier } else { offset };
                let record =
                    self.record(schema, key.clone(), "d", (before, Value::Null), source, transaction, first)?;
                let tombstone = self.tombstones.then(|| self.tombstone(&record, key, offset));
                records.push(record);
                records.extend(tombstone);
            }
            Change::Update { before, after } => {
                let (old, new) = (schema.key(&before)?, schema.key(&after)?);
                let (before, after) = (schema.row(before)?, schema.row(after)?);
                if old.value.is_null() || old == new {
                    records.push(self.record(schema, new, "u", (before, after), source, transaction, offset)?);
                    return Ok(());
                }
                // A key of other columns than the primary one changes without SQL Server making two changes of it.
                let (gone, come) = ((before, Value::Null), (Value::Null, after));
                let mut record = self.record(schema, old.clone(), "d", gone, source, transaction.clone(), earlier)?;
                record.headers = self.with("__debezium.newkey", new.clone());
                let tombstone = self.tombstones.then(|| self.tombstone(&record, old.clone(), earlier));
                records.push(record);
                records.extend(tombstone);
                let mut record = self.record(schema, new, "c", come, source, transaction, offset)?;
                record.headers = self.with("__debezium.oldkey", old);
                records.push(record);
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // one call for each kind of change, all in this file
    fn record(
        &self,
        schema: &TableSchema,
        key: Datum,
        operation: &'static str,
        (before, after): (Value, Value),
        source: Source<'_>,
        transaction: Value,
        offset: &SourceOffset,
    ) -> Result<Record> {
        let now = now_nanos();
        let values = vec![
            before,
            after,
            self.source.value(source)?,
            transaction,
            operation.into(),
            Value::Int64(now / 1_000_000),
            Value::Int64(now / 1_000),
            Value::Int64(now),
        ];
        let value = Struct::new(schema.envelope.clone(), values)?;
        let mut record = Record::new(Topic::clone(&schema.topic), Datum::new(schema.envelope.clone(), value))
            .with_key(key)
            .from_source(&self.partition, offset.clone());
        record.headers = self.headers.clone();
        Ok(record)
    }

    fn tombstone(&self, of: &Record, key: Datum, offset: &SourceOffset) -> Record {
        let mut record = Record::new(Topic::clone(&of.topic), Datum::NULL)
            .with_key(key)
            .from_source(&self.partition, offset.clone());
        record.headers = of.headers.clone();
        record
    }

    fn with(&self, name: &'static str, key: Datum) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, key);
        for header in self.headers.iter() {
            headers.push(header.name.clone(), header.datum.clone());
        }
        headers
    }
}
