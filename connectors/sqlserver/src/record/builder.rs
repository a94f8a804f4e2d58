//! Makes the records of a row or of a change: key, envelope, headers, tombstone and offset.

use tributary_api::{Datum, Headers, Record, Result, SourceOffset, SourcePartition, Struct, Topic, Value};

use super::{Source, SourceSchema, TableSchema, TransactionRecords};
use crate::clock::now_nanos;
use crate::offset::Offset;
use crate::transaction::Transaction;

/// What happened to a row.
#[derive(Debug)]
pub(crate) enum Change {
    Read(Vec<Value>),
    Create(Vec<Value>),
    Update { before: Vec<Value>, after: Vec<Value> },
    Delete(Vec<Value>),
}

/// The positions before and behind a change, and the transaction that it is in if that is told.
#[derive(Debug)]
pub(crate) struct Positions<'a> {
    pub(crate) before: Offset,
    pub(crate) behind: Offset,
    pub(crate) transaction: Option<&'a mut Transaction>,
}

/// Makes records of changes.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    pub(crate) source: SourceSchema,
    pub(crate) partition: SourcePartition,
    pub(crate) headers: Headers,
    pub(crate) tombstones: bool,
    pub(crate) skip_unchanged: bool,
    /// None: nothing is told of transactions.
    pub(crate) transactions: Option<TransactionRecords>,
}

/// An event: the operation, what was there before and after, and the key.
struct Event {
    operation: &'static str,
    before: Value,
    after: Value,
    key: Datum,
}

impl RecordBuilder {
    /// A change's records, after those of the transactions that end and begin with it. Only the last one has the offset
    /// behind the change: one that is stored before all of them are written must not skip the rest. Whether there are any.
    pub(crate) fn push(
        &self,
        records: &mut Vec<Record>,
        schema: &TableSchema,
        change: Change,
        source: Source<'_>,
        mut positions: Positions<'_>,
    ) -> Result<bool> {
        let (event, second) = match self.events(schema, change)? {
            Some(events) => events,
            None => return Ok(false),
        };
        self.enter(records, source, &mut positions)?;
        let tombstone = self.tombstones && event.operation == "d";
        // What is known before the change is counted.
        let earlier = (tombstone || second.is_some()).then(|| positions.store(positions.before));
        let place = self.place(schema, &mut positions)?;
        let second = match second {
            Some(second) => Some((second, self.place(schema, &mut positions)?)),
            None => None,
        };
        let behind = positions.store(positions.behind);
        let offset = earlier.as_ref().unwrap_or(&behind);
        let (old, new) = (event.key.clone(), second.as_ref().map(|(second, _)| second.key.clone()));
        let mut record = self.record(schema, event, source, place, offset)?;
        if let Some(new) = new {
            record.headers = self.with("__debezium.newkey", new);
        }
        records.push(record);
        if tombstone && let Some(of) = records.last() {
            let offset = if second.is_some() { offset } else { &behind };
            let tombstone = self.tombstone(of, old.clone(), offset);
            records.push(tombstone);
        }
        if let Some((second, place)) = second {
            let mut record = self.record(schema, second, source, place, &behind)?;
            record.headers = self.with("__debezium.oldkey", old);
            records.push(record);
        }
        Ok(true)
    }

    /// One event, or two: a key of other columns than the primary one changes without SQL Server making two changes of it.
    fn events(&self, schema: &TableSchema, change: Change) -> Result<Option<(Event, Option<Event>)>> {
        let event = |operation, before, after, key| Event { operation, before, after, key };
        Ok(Some(match change {
            Change::Read(values) => {
                let key = schema.key(&values)?;
                (event("r", Value::Null, schema.row(values)?, key), None)
            }
            Change::Create(values) => {
                let key = schema.key(&values)?;
                (event("c", Value::Null, schema.row(values)?, key), None)
            }
            Change::Delete(values) => {
                let key = schema.key(&values)?;
                (event("d", schema.row(values)?, Value::Null, key), None)
            }
            Change::Update { before, after } => {
                let (old, new) = (schema.key(&before)?, schema.key(&after)?);
                let (before, after) = (schema.row(before)?, schema.row(after)?);
                if self.skip_unchanged && before == after {
                    return Ok(None);
                }
                if old.value.is_null() || old == new {
                    (event("u", before, after, new), None)
                } else {
                    (event("d", before, Value::Null, old), Some(event("c", Value::Null, after, new)))
                }
            }
        }))
    }

    /// Tells of the end of the transaction before this one, and of the beginning of this one.
    fn enter(&self, records: &mut Vec<Record>, source: Source<'_>, positions: &mut Positions<'_>) -> Result<()> {
        let (Some(told), Some(transaction)) = (&self.transactions, positions.transaction.as_deref_mut()) else {
            return Ok(());
        };
        let Some(commit) = source.commit else { return Ok(()) };
        let (id, millis) = (commit.to_string(), source.nanos.div_euclid(1_000_000));
        if *transaction.id() != id.as_str() {
            if transaction.is_open() {
                let of = transaction.clone();
                transaction.end();
                let offset = positions.before.store_in(Some(transaction));
                records.push(told.end(&of, millis, (&self.partition, offset))?);
            }
            transaction.begin(id.into());
            let offset = positions.before.store_in(Some(transaction));
            records.push(told.begin(transaction, millis, (&self.partition, offset))?);
        }
        transaction.millis = Some(millis);
        Ok(())
    }

    /// Tells of the end of a transaction of which nothing more comes.
    pub(crate) fn leave(&self, records: &mut Vec<Record>, at: Offset, transaction: &mut Transaction) -> Result<()> {
        let Some(told) = self.transactions.as_ref().filter(|_| transaction.is_open()) else { return Ok(()) };
        let of = transaction.clone();
        transaction.end();
        let millis = of.millis.unwrap_or_else(|| now_nanos() / 1_000_000);
        records.push(told.end(&of, millis, (&self.partition, at.store_in(Some(transaction))))?);
        Ok(())
    }

    /// Counts an event, and tells its place.
    fn place(&self, schema: &TableSchema, positions: &mut Positions<'_>) -> Result<Value> {
        match (&self.transactions, positions.transaction.as_deref_mut()) {
            (Some(told), Some(transaction)) => {
                let order = transaction.event(&schema.name);
                told.place(transaction, order)
            }
            _ => Ok(Value::Null),
        }
    }

    fn record(
        &self,
        schema: &TableSchema,
        event: Event,
        source: Source<'_>,
        transaction: Value,
        offset: &SourceOffset,
    ) -> Result<Record> {
        let now = now_nanos();
        let values = vec![
            event.before,
            event.after,
            self.source.value(source)?,
            transaction,
            event.operation.into(),
            Value::Int64(now / 1_000_000),
            Value::Int64(now / 1_000),
            Value::Int64(now),
        ];
        let value = Struct::new(schema.envelope.clone(), values)?;
        let mut record = Record::new(Topic::clone(&schema.topic), Datum::new(schema.envelope.clone(), value))
            .with_key(event.key)
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

impl Positions<'_> {
    fn store(&self, offset: Offset) -> SourceOffset {
        offset.store_in(self.transaction.as_deref())
    }
}
