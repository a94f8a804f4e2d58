//! Reads the next chunk into the window, between two rows in the signal table.

use std::sync::Arc;

use jiff::Timestamp;
use tributary_api::{Error, Result};

use super::chunk::Chunk;
use super::collection::Collection;
use super::key::KeyPart;
use super::notices::Scanned;
use super::window::{Row, identity};
use crate::catalog::{change_tables, read_table};
use crate::config::Watermarks;
use crate::failure::Failure;
use crate::history::TableChange;
use crate::reader::{Reader, Structure};
use crate::record::{SnapshotMark, TableSchema};
use crate::signal::{WINDOW_CLOSE, WINDOW_OPEN};
use crate::sql::{Client, quoted};
use crate::table::TableId;

impl Reader {
    /// Continues a snapshot that was not complete when the task or its connection ended.
    pub(crate) async fn resume_incremental(&mut self) -> Result<(), Failure> {
        if !self.incremental.is_running() {
            return Ok(());
        }
        tracing::info!(database = %self.database, tables = self.incremental.names(), "an incremental snapshot goes on");
        self.incremental.revert();
        self.read_chunk().await
    }

    /// Reads the next chunk, if there is one. A table that cannot be read is skipped, with a notification.
    pub(super) async fn read_chunk(&mut self) -> Result<(), Failure> {
        self.stop_asked()?;
        while self.incremental.is_running() && !self.incremental.paused {
            let error = match self.try_chunk().await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retriable() => return Err(error.into()),
                Err(error) => error,
            };
            let table = self.incremental.current().map(|current| current.id.to_string());
            tracing::warn!(table, %error, "the incremental snapshot leaves a table out: it cannot be read");
            self.next_table(Scanned::SqlException)?;
        }
        Ok(())
    }

    async fn try_chunk(&mut self) -> Result<()> {
        let Some(signals) = self.settings.signals.table_of(&self.database).cloned() else {
            let message = format!("signal.data.collection has no table of the database {}: add one", self.database);
            return Err(Error::config_at("signal.data.collection", message));
        };
        let name = quoted_name(&signals);
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
    async fn fill_window(&mut self, client: &mut Client, collection: &Collection) -> Result<bool> {
        let Some(schema) = self.schema_to_read(client, &collection.id).await? else {
            tracing::warn!(table = %collection.id, "the incremental snapshot leaves a table out: there is none of this name");
            self.next_table(Scanned::UnknownSchema)?;
            return Ok(false);
        };
        let table = &schema.table;
        let columns = match &collection.surrogate {
            None => self.settings.columns.key(table)?,
            Some(name) => {
                let place = table.columns.iter().position(|column| column.name == *name);
                vec![place.ok_or_else(|| Error::fatal(format!("{} has no column {name} (surrogate-key)", table.id)))?]
            }
        };
        if columns.is_empty() {
            tracing::warn!(table = %table.id, "the incremental snapshot leaves a table out: it has no key; name a column by surrogate-key");
            self.next_table(Scanned::NoPrimaryKey)?;
            return Ok(false);
        }
        let recompile = self.settings.signals.recompile;
        let chunk = Chunk { table, collection, columns: &columns, recompile };
        if self.incremental.maximum.is_none() {
            let last = client.query(&chunk.last_key(), Vec::new()).await?.pop();
            let last = last.map(|cells| key_of(&schema, &columns, &mut cells.rest().into_iter())).transpose()?;
            let Some(last) = last else {
                self.next_table(Scanned::Empty)?;
                return Ok(false);
            };
            tracing::info!(table = %table.id, "the incremental snapshot begins to read a table");
            self.incremental.set_maximum(Some(last));
        }
        let mut selected = schema.needed();
        selected.extend(columns.iter().filter(|place| !schema.needed().contains(place)));
        let (end, maximum) = (self.incremental.end.as_deref(), self.incremental.maximum.as_deref());
        let (sql, parameters) = chunk.rows(self.settings.signals.chunk, &selected, end, maximum);
        let places: Vec<Option<usize>> = selected.into_iter().map(Some).collect();
        self.incremental.window.clear();
        let mut last = None;
        for cells in client.query(&sql, parameters).await? {
            let mut data = cells.rest().into_iter();
            let key = key_of(&schema, &columns, &mut data)?;
            let values = schema.values(data.collect(), &places)?;
            last = Some(key.clone());
            self.incremental.window.push(identity(&schema, &values, &columns)?, Row { values, key });
            self.incremental.scanned += 1;
        }
        if last.is_none() {
            tracing::info!(table = %table.id, rows = self.incremental.scanned, "the incremental snapshot of a table is complete");
            self.next_table(Scanned::Succeeded)?;
            return Ok(false);
        }
        self.incremental.end = last;
        self.incremental.columns = columns;
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
        if id.database != self.database {
            return Ok(None);
        }
        let Some(table) = read_table(client, id).await? else { return Ok(None) };
        let instances = change_tables(client, &self.database, None).await?;
        // The instances are sorted: the last one of a table is the newest.
        let table = match instances.iter().rev().find(|instance| instance.source == *id) {
            Some(instance) => table.with_columns(&instance.columns),
            None => table,
        };
        if self.settings.tables.captures(id)?
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

async fn insert(client: &mut Client, table: &str, values: [&str; 3]) -> Result<()> {
    let sql = format!("INSERT INTO {table} VALUES (@P1, @P2, @P3)");
    client.results(&sql, values.map(Into::into).to_vec()).await?;
    Ok(())
}

fn quoted_name(id: &TableId) -> String {
    format!("{}.{}.{}", quoted(&id.database), quoted(&id.schema), quoted(&id.name))
}
