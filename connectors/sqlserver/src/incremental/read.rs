//! Reads the next chunk into the window, between two rows in the signal table.

use std::sync::Arc;

use jiff::Timestamp;
use tributary_api::{Error, Result};

use super::collection::Collection;
use super::fill::Structured;
use super::notifications::Scanned;
use crate::catalog::{change_tables, read_table};
use crate::config::Watermarks;
use crate::failure::Failure;
use crate::history::TableChange;
use crate::reader::{Reader, Structure};
use crate::record::{SnapshotMark, TableSchema};
use crate::signal::{WINDOW_CLOSE, WINDOW_OPEN};
use crate::sql::{Client, quoted_table};
use crate::table::TableId;

/// How often reading a chunk may fail with retriable errors, such as time-outs, before its table is skipped. Changes wait
/// while a chunk is read.
const MOST_FAILURES: u32 = 3;

/// Why a chunk was not read.
pub(super) enum Unread {
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

impl Reader {
    /// Continues a snapshot that was not complete when the task or its connection ended.
    pub(crate) async fn continue_incremental_after_restart(&mut self) -> Result<(), Failure> {
        // A signal may have started the next chunk already.
        if !self.incremental.is_running() || self.incremental.chunk.is_some() {
            return Ok(());
        }
        tracing::info!(database = %self.database, tables = self.incremental.names(), "an incremental snapshot goes on");
        if !self.metrics.snapshot.is_running() {
            self.metrics.snapshot.begins(self.incremental.tables().count());
        }
        self.warn_of_signal_table();
        self.read_chunk().await
    }

    /// Reads the next chunk, if there is one. A table that cannot be read is skipped, with a notification. Fatal errors
    /// that are not caused by the table pause the snapshot, so that its tables are kept.
    pub(super) async fn read_chunk(&mut self) -> Result<(), Failure> {
        self.stop_requested_tables()?;
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
                    tracing::warn!(database = %self.database, %error, "the incremental snapshot is paused: remove the cause, then send the signal \
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
                self.notify_chunk()?;
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
            let created = Structure::seen(TableChange::Create, table.clone(), SnapshotMark::False, at);
            self.record_structures(&[created]).await?;
        }
        self.schemas.set(client, table).await?;
        Ok(self.schemas.get(id).map(Arc::clone))
    }
}

async fn insert(client: &mut Client, table: &str, values: [&str; 3]) -> Result<()> {
    let sql = format!("INSERT INTO {table} VALUES (@P1, @P2, @P3)");
    client.results(&sql, values.map(Into::into).to_vec()).await?;
    Ok(())
}
