//! Builds the records of a row or a change: key, envelope, headers, tombstone and offset.

use bytestring::ByteString;
use tributary_api::{Datum, Headers, Record, Result, SourceOffset, SourcePartition, Struct, Topic, Value};

use super::{Source, SourceSchema, TableSchema, TransactionRecords};
use crate::clock::now_nanos;
use crate::lsn::Lsn;
use crate::offset::{Members, Offset};
use crate::transaction::Transaction;

/// What happened to a row.
#[derive(Debug)]
pub(crate) enum Change {
    Read(Vec<Value>),
    Create(Vec<Value>),
    Update { before: Vec<Value>, after: Vec<Value> },
    Delete(Vec<Value>),
}

/// The positions before and after a change, and the transaction that it is in if metadata of transactions is
/// configured.
#[derive(Debug)]
pub(crate) struct Positions<'a> {
    pub(crate) before: Offset,
    pub(crate) behind: Offset,
    pub(crate) transaction: Option<&'a mut Transaction>,
    /// What offsets have beside the position.
    pub(crate) members: Option<&'a Members>,
}

/// Builds records.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    pub(crate) source: SourceSchema,
    pub(crate) partition: SourcePartition,
    pub(crate) headers: Headers,
    pub(crate) tombstones: bool,
    pub(crate) skip_unchanged: bool,
    /// Set if metadata of transactions is configured.
    pub(crate) transactions: Option<TransactionRecords>,
    pub(crate) last: Last,
}

/// What the last record had, which the next one mostly has, too.
#[derive(Debug, Default)]
pub(crate) struct Last {
    commit: Option<(Lsn, Value)>,
    /// Without a transaction, and without other members.
    offset: Option<(Offset, SourceOffset)>,
}

impl Last {
    fn commit(&mut self, commit: Option<Lsn>) -> Value {
        let Some(commit) = commit else { return Value::Null };
        match &self.commit {
            Some((known, text)) if *known == commit => text.clone(),
            _ => self.commit.insert((commit, commit.text().into())).1.clone(),
        }
    }

    fn stored(&mut self, offset: Offset, positions: &Positions<'_>) -> SourceOffset {
        let (transaction, members) = (positions.transaction.as_deref(), positions.members);
        if transaction.is_some() || members.is_some() {
            return offset.store_in(transaction, members);
        }
        match &self.offset {
            Some((known, stored)) if *known == offset => stored.clone(),
            _ => self.offset.insert((offset, offset.store())).1.clone(),
        }
    }
}

/// An event: the operation, the row before and after it, and the key.
struct Event {
    operation: &'static str,
    before: Value,
    after: Value,
    key: Datum,
}

impl RecordBuilder {
    /// Appends the records of a change, preceded by those for the end of the last transaction and the beginning of this
    /// one. Only the last record has the offset after the change: if an earlier record's offset is stored and the rest
    /// is not written, the change must be read again. Returns whether there are any records.
    pub(crate) fn push(
        &mut self,
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
        // Taken before the transaction counts this change.
        let earlier = (tombstone || second.is_some()).then(|| self.last.stored(positions.before, &positions));
        let place = self.place(schema, &mut positions)?;
        let second = match second {
            Some(second) => Some((second, self.place(schema, &mut positions)?)),
            None => None,
        };
        let behind = self.last.stored(positions.behind, &positions);
        let offset = earlier.as_ref().unwrap_or(&behind);
        let (old, new) = match &second {
            Some((second, _)) => (event.key.clone(), Some(second.key.clone())),
            None if tombstone => (event.key.clone(), None),
            None => (Datum::NULL, None),
        };
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

    /// One event, or two if an update changes the key: SQL Server itself splits an update only if the primary key
    /// changes, not if the columns of `message.key.columns` do.
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

    /// Adds the records for the end of the previous transaction and the beginning of this one.
    fn enter(&self, records: &mut Vec<Record>, source: Source<'_>, positions: &mut Positions<'_>) -> Result<()> {
        let (Some(metadata), Some(transaction)) = (&self.transactions, positions.transaction.as_deref_mut()) else {
            return Ok(());
        };
        let Some(commit) = source.commit else { return Ok(()) };
        let (id, millis) = (commit.text(), source.nanos.div_euclid(1_000_000));
        if *transaction.id() != id.as_str() {
            if transaction.is_open() {
                let of = transaction.clone();
                transaction.end();
                let offset = positions.before.store_in(Some(transaction), positions.members);
                records.push(metadata.end(&of, millis, (&self.partition, offset))?);
            }
            transaction.begin(id.into());
            let offset = positions.before.store_in(Some(transaction), positions.members);
            records.push(metadata.begin(transaction, millis, (&self.partition, offset))?);
        }
        transaction.millis = Some(millis);
        Ok(())
    }

    /// Adds the record for the end of a transaction after its last change.
    pub(crate) fn leave(
        &self,
        records: &mut Vec<Record>,
        at: Offset,
        transaction: &mut Transaction,
        members: Option<&Members>,
    ) -> Result<()> {
        let Some(metadata) = self.transactions.as_ref().filter(|_| transaction.is_open()) else { return Ok(()) };
        let of = transaction.clone();
        transaction.end();
        let millis = of.millis.unwrap_or_else(|| now_nanos() / 1_000_000);
        records.push(metadata.end(&of, millis, (&self.partition, at.store_in(Some(transaction), members)))?);
        Ok(())
    }

    /// Counts an event and returns its place in the transaction.
    fn place(&self, schema: &TableSchema, positions: &mut Positions<'_>) -> Result<Value> {
        match (&self.transactions, positions.transaction.as_deref_mut()) {
            (Some(metadata), Some(transaction)) => {
                let order = transaction.event(&schema.name);
                metadata.place(transaction, order)
            }
            _ => Ok(Value::Null),
        }
    }

    fn record(
        &mut self,
        schema: &TableSchema,
        event: Event,
        source: Source<'_>,
        transaction: Value,
        offset: &SourceOffset,
    ) -> Result<Record> {
        let now = now_nanos();
        let commit = self.last.commit(source.commit);
        let values = vec![
            event.before,
            event.after,
            self.source.value_of_commit(source, commit)?,
            transaction,
            Value::String(ByteString::from_static(event.operation)),
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
