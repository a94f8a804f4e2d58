use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tributary_api::{Bytes, Datum, Error, Offsets, Result, TableId, TopicPartition, TransformTables, Value};
use tributary_kafka::{ClientConfig, Consumer, Polled, Position, RawRecord};
use tributary_state::GlobalTable;

use super::transform_stores::TableSource;
use super::{ANSWER_TIMEOUT, Topics, TransformStores};
use crate::tasks::{Decoder, ErrorOperator, FailedRecord, TaskContext};

const BATCH: usize = 5_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The tables of a task: complete copies that follow their topics.
pub(super) struct Tables {
    consumer: Option<Consumer>,
    sources: Vec<TableSource>,
    tables: Vec<GlobalTable>,
    decoder: Decoder,
}

impl Tables {
    /// Reads all tables to their current ends. `None` when the task is asked to stop meanwhile.
    ///
    /// # Errors
    /// When a topic cannot be read or a row cannot be converted; `Retriable` while not every broker knows a new topic.
    pub(super) async fn open(
        cx: &TaskContext,
        stores: &TransformStores,
        consumer: &ClientConfig,
        topics: &Topics,
        decoder: Decoder,
        operator: &ErrorOperator,
    ) -> Result<Option<Self>> {
        let sources = stores.tables.clone();
        let names: BTreeSet<String> = sources.iter().map(|source| source.topic.clone()).collect();
        let tables = sources.iter().map(|_| GlobalTable::default()).collect();
        let mut this = Self { consumer: None, sources, tables, decoder };
        if names.is_empty() {
            return Ok(Some(this));
        }
        let mut partitions = Vec::new();
        for topic in &names {
            let count = topics.ensure_table(topic).await.map_err(|error| error.context("cannot read a table"))?;
            partitions.extend((0..count).map(|partition| TopicPartition::new(topic.as_str(), partition)));
            cx.reporter.topic_used(topic);
        }
        let client = consumer
            .clone()
            .set("client.id", format!("connector-consumer-{}-tables", cx.spec.id))
            .set_native("enable.partition.eof", true);
        let from_start: Vec<_> = partitions.iter().map(|at| (at.clone(), Position::Earliest)).collect();
        let consumer = this.consumer.insert(Consumer::assign(&client, &from_start)?);
        let mut missing: Offsets = consumer.end_offsets(&partitions, false, ANSWER_TIMEOUT)?;
        missing.retain(|_, end| *end > 0);
        while !missing.is_empty() {
            if cx.control.is_stopping() {
                return Ok(None);
            }
            for (partition, next) in this.read(POLL_TIMEOUT, operator)? {
                if missing.get(&partition).is_some_and(|end| next >= *end) {
                    missing.remove(&partition);
                }
            }
        }
        let rows: usize = this.tables.iter().map(GlobalTable::len).sum();
        tracing::info!(topics = ?names, rows, "tables are caught up");
        Ok(Some(this))
    }

    /// Applies the records that have arrived, without waiting.
    ///
    /// # Errors
    /// When a topic cannot be read or a row cannot be converted.
    pub(super) fn follow(&mut self, operator: &ErrorOperator) -> Result<()> {
        if self.consumer.is_some() {
            self.read(Duration::ZERO, operator)?;
        }
        Ok(())
    }

    /// The latest row of a key; `index` is the table's in [`TransformStores::tables`].
    pub(super) fn get(&self, index: usize, key: &[u8]) -> Option<&Datum> {
        self.tables.get(index)?.get(key)
    }

    /// Polls once; returns how far the partitions have been read.
    fn read(&mut self, wait: Duration, operator: &ErrorOperator) -> Result<HashMap<TopicPartition, i64>> {
        let mut reached = HashMap::new();
        let Some(consumer) = &mut self.consumer else { return Ok(reached) };
        let records = match consumer.poll(BATCH, wait) {
            Ok(Polled::Records(records)) => records,
            Ok(_) => Vec::new(),
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "could not read a table, trying again");
                Vec::new()
            }
            Err(error) => return Err(error.context("cannot read a table")),
        };
        for raw in &records {
            reached.insert(TopicPartition::new(raw.topic.clone(), raw.partition), raw.offset + 1);
        }
        // The last offsets of a partition may hold no record, because of transaction markers and compaction.
        let ends = consumer.take_ends();
        for raw in records {
            self.take(raw, operator)?;
        }
        for (partition, end) in ends {
            let next = reached.entry(partition).or_default();
            *next = end.max(*next);
        }
        Ok(reached)
    }

    fn take(&mut self, raw: RawRecord, operator: &ErrorOperator) -> Result<()> {
        let Some(key) = raw.key.clone() else { return Ok(()) }; // a table has no row without a key
        let of_topic = |source: &TableSource| *source.topic == *raw.topic;
        let mut converts = false;
        for (source, table) in self.sources.iter().zip(&mut self.tables).filter(|(source, _)| of_topic(source)) {
            converts |= !source.raw;
            if source.raw {
                // A row must not keep all records alive that were fetched with it.
                let value =
                    raw.value.as_deref().map_or(Value::Null, |value| Value::Bytes(Bytes::copy_from_slice(value)));
                table.set(&key, Datum::schemaless(value));
            }
        }
        if !converts {
            return Ok(());
        }
        match self.decoder.decode(raw.clone()) {
            Ok(record) => {
                let index = self.sources.iter().position(|source| of_topic(source) && !source.raw);
                if let Some(table) = index.and_then(|index| self.tables.get_mut(index)) {
                    table.set(&key, record.value);
                }
                Ok(())
            }
            Err(failure) => operator
                .give_up(&failure, FailedRecord::Consumed(&raw))
                .map_err(|error: Error| error.context(format!("row of table {} at offset {}", raw.topic, raw.offset))),
        }
    }
}

/// The tables of one transform.
struct TablesOf<'a> {
    tables: &'a Tables,
    /// By the transform's own numbers, the indexes into [`Tables::tables`].
    indexes: &'a [usize],
}

impl Tables {
    /// The tables of one transform; the indexes are those of [`TransformStores::tables_of`].
    pub(super) fn of<'a>(&'a self, indexes: &'a [usize]) -> impl TransformTables + 'a {
        TablesOf { tables: self, indexes }
    }
}

impl TablesOf<'_> {
    fn table(&self, table: TableId) -> Option<&GlobalTable> {
        self.tables.tables.get(*self.indexes.get(table.0)?)
    }
}

impl TransformTables for TablesOf<'_> {
    fn version(&self, table: TableId) -> u64 {
        self.table(table).map_or(0, GlobalTable::changes)
    }

    fn for_each(&self, table: TableId, row: &mut dyn FnMut(&[u8], &Datum)) {
        for (key, value) in self.table(table).into_iter().flat_map(GlobalTable::iter) {
            row(key, value);
        }
    }
}
