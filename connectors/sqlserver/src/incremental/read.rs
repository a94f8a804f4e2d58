//! Reads the next chunk into the window, between two rows in the signal table.

use std::sync::Arc;

use jiff::Timestamp;
use tributary_api::{Error, Result};

use super::chunk::Chunk;
use super::collection::Collection;
use super::key::KeyPart;
use super::key_column::read_key;
use super::notices::Scanned;
use super::window::identity;
use crate::catalog::{change_tables, read_table};
use crate::config::Watermarks;
use crate::failure::Failure;
use crate::history::TableChange;
use crate::reader::{Reader, Structure};
use crate::record::{SnapshotMark, TableSchema};
use crate::signal::{WINDOW_CLOSE, WINDOW_OPEN};
use crate::sql::{Cells, Client, Parameter, classified, is_missing_column, quoted_table};
use crate::table::{Table, TableId};
use crate::types::Unfit;

/// How often reading a chunk may fail with retriable errors, such as time-outs, before its table is skipped. Changes wait
/// while a chunk is read.
const MOST_FAILURES: u32 = 3;

/// Why a chunk was not read.
enum Unread {
    /// A statement on its table failed, or a row cannot be represented.
    Table(Error),
    /// The table's structure is not the known one.
    Altered(Error),
    /// Anything else, such as the connection, the signal table or the schema history.
    Other(Error),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// When the structure that rows are converted with was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Structured {
    /// Earlier: a value that does not fit shows that the table was altered since.
    Before,
    /// Just now: reading it again does not help.
    Now,
}

/// How many more rows than a chunk has may have its last key: they are read at once.
const MOST_EQUAL: usize = 100_000;

impl Reader {
    /// Continues a snapshot that was not complete when the task or its connection ended.
    pub(crate) async fn resume_incremental(&mut self) -> Result<(), Failure> {
        // A signal may have started the next chunk already.
        if !self.incremental.is_running() || self.incremental.chunk.is_some() {
            return Ok(());
        }
        tracing::info!(database = %self.database, tables = self.incremental.names(), "an incremental snapshot goes on");
        self.warn_of_signal_table();
        self.read_chunk().await
    }

    /// Reads the next chunk, if there is one. A table that cannot be read is skipped, with a notification. Fatal errors
    /// that are not caused by the table pause the snapshot, so that its tables are kept.
    pub(super) async fn read_chunk(&mut self) -> Result<(), Failure> {
        self.stop_asked()?;
        while self.incremental.is_running() && !self.incremental.paused {
            let failed = self.try_chunk().await;
            if failed.is_err() {
                self.incremental.revert();
            }
            let error = match failed {
                Ok(()) => {
                    self.incremental.failures = 0;
                    return Ok(());
                }
                Err(Unread::Table(error) | Unread::Altered(error)) => {
                    self.incremental.failures = self.incremental.failures.saturating_add(1);
                    if error.is_retriable() && self.incremental.failures < MOST_FAILURES {
                        return Err(error.into());
                    }
                    error
                }
                Err(Unread::Other(error)) if error.is_retriable() => return Err(error.into()),
                Err(Unread::Other(error)) => {
                    tracing::warn!(database = %self.database, %error, "the incremental snapshot is paused: mend this, and send the signal \
                        resume-snapshot, or restart the connector");
                    self.pause_incremental()?;
                    return Ok(());
                }
            };
            let table = self.incremental.current().map(|current| current.id.to_string());
            tracing::warn!(table, %error, "the incremental snapshot leaves a table out: it cannot be read");
            self.next_table(Scanned::SqlException)?;
        }
        Ok(())
    }

    async fn try_chunk(&mut self) -> std::result::Result<(), Unread> {
        let Some(signals) = self.settings.signals.table_of(&self.database).cloned() else {
            let message = format!("signal.data.collection has no table of the database {}: add one", self.database);
            return Err(Error::config_at("signal.data.collection", message).into());
        };
        let name = quoted_table(&signals);
        let mut client = self.pool.take().await?;
        let chunk = self.incremental.begin_chunk();
        let opened = Timestamp::now();
        let data = format!("{{\"openWindowTimestamp\": \"{opened}\"}}");
        insert(&mut client, &name, [&format!("{chunk}-open"), WINDOW_OPEN, &data]).await?;
        while let Some(collection) = self.incremental.current().cloned() {
            if self.fill_window(&mut client, &collection).await? {
                self.tell_of_chunk()?;
                break;
            }
        }
        match self.settings.signals.watermarks {
            Watermarks::InsertInsert => {
                let closed = Timestamp::now();
                let data = format!("{{\"openWindowTimestamp\": \"{opened}\", \"closeWindowTimestamp\": \"{closed}\"}}");
                insert(&mut client, &name, [&format!("{chunk}-close"), WINDOW_CLOSE, &data]).await?;
            }
            Watermarks::InsertDelete => {
                let id = format!("{chunk}-open");
                client.results(&format!("DELETE FROM {name} WHERE id = @P1"), vec![id.as_str().into()]).await?;
            }
        }
        client.give_back();
        Ok(())
    }

    /// Returns whether there are rows. A table without further rows is complete.
    async fn fill_window(&mut self, client: &mut Client, collection: &Collection) -> std::result::Result<bool, Unread> {
        let Some(schema) = self.schema_to_read(client, &collection.id).await? else {
            return Ok(self.leave_unknown(&collection.id)?);
        };
        self.incremental.rename_current(&schema.table.id);
        let error = match self.fill(client, &schema, collection, Structured::Before).await {
            Err(Unread::Altered(error)) => error,
            other => return other,
        };
        tracing::info!(table = %schema.table.id, %error, "a chunk does not fit the known structure of its table: the structure is read again");
        let Some(structure) = read_table(client, &schema.table.id).await? else {
            return Ok(self.leave_unknown(&schema.table.id)?);
        };
        let names: Vec<_> = schema.table.columns.iter().map(|column| column.name.clone()).collect();
        let altered = self.schemas.make(client, structure.with_columns(&names)).await?;
        // Changes get this structure at the end of the window, because those before it may still have the old one.
        let filled = self.fill(client, &altered, collection, Structured::Now).await?;
        if filled {
            self.incremental.altered = Some(Arc::clone(&altered.table));
        }
        Ok(filled)
    }

    fn leave_unknown(&mut self, id: &TableId) -> Result<bool> {
        tracing::warn!(table = %id, "the incremental snapshot leaves a table out: there is none of this name");
        self.next_table(Scanned::UnknownSchema)?;
        Ok(false)
    }

    async fn fill(
        &mut self,
        client: &mut Client,
        schema: &TableSchema,
        collection: &Collection,
        structured: Structured,
    ) -> std::result::Result<bool, Unread> {
        let table = &schema.table;
        let columns = match &collection.surrogate {
            None => self.settings.columns.key(table)?,
            Some(name) => {
                let place = table.columns.iter().position(|column| column.name == *name);
                let missing = || Error::fatal(format!("{} has no column {name} (surrogate-key)", table.id));
                vec![place.ok_or_else(missing).map_err(Unread::Table)?]
            }
        };
        if columns.is_empty() {
            tracing::warn!(table = %table.id, "the incremental snapshot leaves a table out: it has no key; name a column by surrogate-key");
            self.next_table(Scanned::NoPrimaryKey)?;
            return Ok(false);
        }
        let of_key = columns.iter().filter_map(|place| table.columns.get(*place));
        let Some(key) = read_key(client, &table.id, of_key).await? else {
            return Err(Unread::Altered(Error::fatal(format!(
                "a column of the key of {} was dropped or renamed",
                table.id
            ))));
        };
        if !self.incremental.is_read_by(&key) {
            tracing::warn!(table = %table.id, "the incremental snapshot begins a table again: its key has other columns");
            self.incremental.begin_table();
        }
        let recompile = self.settings.signals.recompile;
        let chunk = Chunk { table, collection, key: &key, recompile };
        if self.incremental.maximum.is_none() {
            let last = rows_of(client, table, &chunk.last_key(), Vec::new(), 1).await?.pop();
            let last = last.map(|cells| key_of(schema, &columns, &mut cells.rest().into_iter()));
            let Some(last) = last.transpose().map_err(Unread::Table)? else {
                self.next_table(Scanned::Empty)?;
                return Ok(false);
            };
            tracing::info!(table = %table.id, "the incremental snapshot begins to read a table");
            self.incremental.set_maximum(last, &key);
        }
        let mut selected = schema.needed();
        let only_of_key: Vec<usize> = columns.iter().copied().filter(|place| !selected.contains(place)).collect();
        selected.extend(only_of_key);
        let (end, maximum) = (self.incremental.end.as_deref(), self.incremental.maximum.as_deref());
        let (sql, parameters) = chunk.rows(self.settings.signals.chunk, &selected, end, maximum);
        let places: Vec<Option<usize>> = selected.into_iter().map(Some).collect();
        self.incremental.window.begin(key.unique);
        let mut last = None;
        let most = self.settings.signals.chunk.saturating_add(MOST_EQUAL);
        let mut rows = 0;
        for cells in rows_of(client, table, &sql, parameters, most).await? {
            let mut data = cells.rest().into_iter();
            let key = key_of(schema, &columns, &mut data).map_err(Unread::Table)?;
            let values = match structured {
                Structured::Before => schema.current_values(data.collect(), &places).map_err(|unfit| match unfit {
                    Unfit { error, altered: true } => Unread::Altered(error),
                    Unfit { error, .. } => Unread::Table(error),
                }),
                Structured::Now => schema.values(data.collect(), &places).map_err(Unread::Table),
            }?;
            last = Some(key.clone());
            let identity = identity(schema, &values).map_err(Unread::Table)?;
            self.incremental.window.push(identity, values, key);
            rows += 1;
        }
        self.incremental.scanned += rows;
        if last.is_none() {
            tracing::info!(table = %table.id, rows = self.incremental.scanned, "the incremental snapshot of a table is complete");
            self.next_table(Scanned::Succeeded)?;
            return Ok(false);
        }
        self.incremental.end = last;
        Ok(true)
    }

    /// A table that is not known yet is looked for, and told of.
    pub(crate) async fn schema_to_read(
        &mut self,
        client: &mut Client,
        id: &TableId,
    ) -> Result<Option<Arc<TableSchema>>> {
        if let Some(schema) = self.schemas.get(id) {
            return Ok(Some(Arc::clone(schema)));
        }
        if !id.database.eq_ignore_ascii_case(&self.database) {
            return Ok(None);
        }
        let Some(table) = read_table(client, id).await? else { return Ok(None) };
        // The signal may have the name in another case than the server.
        if let Some(schema) = self.schemas.get(&table.id) {
            return Ok(Some(Arc::clone(schema)));
        }
        let id = &table.id.clone();
        let instances = change_tables(client, &self.database, None).await?;
        // The instances are sorted: the last one of a table is the newest.
        let table = match instances.iter().rev().find(|instance| instance.source == *id) {
            Some(instance) => table.with_columns(&instance.columns),
            None => table,
        };
        // The structure of a table whose reading began before a restart was already sent.
        let begun =
            self.incremental.current().is_some_and(|current| current.id == *id && self.incremental.maximum.is_some());
        if !begun
            && self.settings.tables.captures(id)?
            && let Some(at) = self.offset
        {
            let (change, mark, table) = (TableChange::Create, SnapshotMark::False, table.clone());
            self.tell_of_structures(&[Structure { change, table, mark, at }]).await?;
        }
        self.schemas.set(client, table).await?;
        Ok(self.schemas.get(id).map(Arc::clone))
    }
}

/// The key, which comes before the other columns.
fn key_of(
    schema: &TableSchema,
    columns: &[usize],
    data: &mut impl Iterator<Item = tiberius::ColumnData<'static>>,
) -> Result<Vec<KeyPart>> {
    let columns = columns.iter().filter_map(|place| schema.table.columns.get(*place));
    columns.zip(data).map(|(column, data)| KeyPart::of(data, column)).collect()
}

/// The rows of a statement that reads the table.
async fn rows_of(
    client: &mut Client,
    table: &Table,
    sql: &str,
    parameters: Vec<Parameter>,
    most: usize,
) -> std::result::Result<Vec<Cells>, Unread> {
    match client.try_rows(sql, parameters, most).await {
        Ok(Some(rows)) => Ok(rows),
        Ok(None) => Err(Unread::Table(Error::data(format!(
            "more than {MOST_EQUAL} rows of {} have the same key: name a column with more values by surrogate-key",
            table.id
        )))),
        Err(error) => {
            let classified = classified(&error, &format!("could not read a chunk of {}", table.id));
            Err(if is_missing_column(&error) { Unread::Altered(classified) } else { Unread::Table(classified) })
        }
    }
}

async fn insert(client: &mut Client, table: &str, values: [&str; 3]) -> Result<()> {
    let sql = format!("INSERT INTO {table} VALUES (@P1, @P2, @P3)");
    client.results(&sql, values.map(Into::into).to_vec()).await?;
    Ok(())
}
