//! Reads the rows of a chunk into the window.

use tributary_api::{Error, Result};

use super::chunk::Chunk;
use super::collection::Collection;
use super::key::{KeyPart, listed};
use super::key_column::{Key, read_key};
use super::notifications::Scanned;
use super::read::Unread;
use super::window::identity;
use crate::metrics::ChunkShown;
use crate::reader::Reader;
use crate::record::TableSchema;
use crate::sql::{Cells, Client, Parameter, classified, is_missing_column};
use crate::table::Table;
use crate::types::ConversionError;

/// How many more rows than a chunk has may have its last key: they are read at once.
const MOST_EQUAL: usize = 100_000;

/// When the structure that rows are converted with was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Structured {
    /// Earlier: a value that does not fit shows that the table was altered since.
    Before,
    /// Just now: reading it again does not help.
    Now,
}

/// A table and the key that it is read by.
struct Keyed<'a> {
    schema: &'a TableSchema,
    collection: &'a Collection,
    /// The places of the key's columns in the table.
    columns: &'a [usize],
    key: &'a Key,
    recompile: bool,
}

impl<'a> Keyed<'a> {
    fn chunk(&self) -> Chunk<'a> {
        Chunk { table: &self.schema.table, collection: self.collection, key: self.key, recompile: self.recompile }
    }

    /// The key, whose columns come before the others.
    fn key_of(
        &self,
        data: &mut impl Iterator<Item = tiberius::ColumnData<'static>>,
    ) -> std::result::Result<Vec<KeyPart>, Unread> {
        let columns = self.columns.iter().filter_map(|place| self.schema.table.columns.get(*place));
        let parts = columns.zip(data).map(|(column, data)| KeyPart::of(data, column));
        parts.collect::<Result<_>>().map_err(Unread::Table)
    }
}

impl Reader {
    /// Returns whether there are rows. A table without further rows is complete.
    pub(super) async fn fill(
        &mut self,
        client: &mut Client,
        schema: &TableSchema,
        collection: &Collection,
        structured: Structured,
    ) -> std::result::Result<bool, Unread> {
        let table = &schema.table;
        let columns = self.key_columns(table, collection)?;
        if columns.is_empty() {
            tracing::warn!(table = %table.id, "the incremental snapshot leaves a table out: it has no key; name a column by surrogate-key");
            self.next_table(Scanned::NoPrimaryKey)?;
            return Ok(false);
        }
        let of_key = columns.iter().filter_map(|place| table.columns.get(*place));
        let Some(key) = read_key(client, &table.id, of_key).await? else {
            let message = format!("a column of the key of {} was dropped or renamed", table.id);
            return Err(Unread::Altered(Error::fatal(message)));
        };
        if !self.incremental.is_read_by(&key) {
            tracing::warn!(table = %table.id, "the incremental snapshot begins a table again: its key has other columns");
            self.incremental.begin_table();
        }
        let recompile = self.settings.signals.recompile;
        let keyed = Keyed { schema, collection, columns: &columns, key: &key, recompile };
        if self.incremental.maximum.is_none() && !self.find_maximum(client, &keyed).await? {
            self.next_table(Scanned::Empty)?;
            return Ok(false);
        }
        let filled = self.fill_rows(client, &keyed, structured).await?;
        if !filled {
            tracing::info!(table = %table.id, rows = self.incremental.scanned, "the incremental snapshot of a table is complete");
            self.next_table(Scanned::Succeeded)?;
        }
        Ok(filled)
    }

    /// The places of the columns that a table is read by: those of its records' key, or the one that the signal names.
    fn key_columns(&self, table: &Table, collection: &Collection) -> std::result::Result<Vec<usize>, Unread> {
        let Some(name) = &collection.surrogate else { return Ok(self.settings.columns.key(table)?) };
        let place = table.columns.iter().position(|column| column.name == *name);
        let missing = || Error::fatal(format!("{} has no column {name} (surrogate-key)", table.id));
        Ok(vec![place.ok_or_else(missing).map_err(Unread::Table)?])
    }

    /// Looks for the last key that the table has now: rows behind it are changes. Returns whether there is any row.
    async fn find_maximum(&mut self, client: &mut Client, keyed: &Keyed<'_>) -> std::result::Result<bool, Unread> {
        let table = &keyed.schema.table;
        let Some(last) = rows_of(client, table, &keyed.chunk().last_key(), Vec::new(), 1).await?.pop() else {
            return Ok(false);
        };
        let last = keyed.key_of(&mut last.rest().into_iter())?;
        tracing::info!(table = %table.id, "the incremental snapshot begins to read a table");
        self.incremental.set_maximum(last, keyed.key);
        Ok(true)
    }

    /// Reads the next rows. Returns whether there are any.
    async fn fill_rows(
        &mut self,
        client: &mut Client,
        keyed: &Keyed<'_>,
        structured: Structured,
    ) -> std::result::Result<bool, Unread> {
        let (schema, table) = (keyed.schema, &keyed.schema.table);
        let mut selected = schema.needed();
        let only_of_key: Vec<usize> = keyed.columns.iter().copied().filter(|place| !selected.contains(place)).collect();
        selected.extend(only_of_key);
        let (end, maximum) = (self.incremental.end.as_deref(), self.incremental.maximum.as_deref());
        let begins = end.is_none();
        let (sql, parameters) = keyed.chunk().rows(self.settings.signals.chunk, &selected, end, maximum);
        let places: Vec<Option<usize>> = selected.into_iter().map(Some).collect();
        self.incremental.window.begin(keyed.key.unique);
        let most = self.settings.signals.chunk.saturating_add(MOST_EQUAL);
        let (mut first, mut last, mut rows) = (None, None, 0);
        for cells in rows_of(client, table, &sql, parameters, most).await? {
            let mut data = cells.rest().into_iter();
            let key = keyed.key_of(&mut data)?;
            let values = match structured {
                Structured::Before => schema.current_values(data.collect(), &places).map_err(|unfit| match unfit {
                    ConversionError { error, altered: true } => Unread::Altered(error),
                    ConversionError { error, .. } => Unread::Table(error),
                }),
                Structured::Now => schema.values(data.collect(), &places).map_err(Unread::Table),
            }?;
            first.get_or_insert_with(|| listed(&key));
            last = Some(key.clone());
            let identity = identity(schema, &values).map_err(Unread::Table)?;
            self.incremental.window.push(identity, values, key);
            rows += 1;
        }
        let (Some(first), Some(last)) = (first, last) else { return Ok(false) };
        self.incremental.scanned += rows;
        self.metrics.snapshot.table_begins(&table.id);
        self.metrics.snapshot.rows(self.incremental.scanned, rows);
        self.metrics.snapshot.chunk(&ChunkShown {
            id: self.incremental.chunk.as_deref().unwrap_or_default(),
            from: first,
            to: listed(&last),
            table_to: self.incremental.maximum.as_deref().filter(|_| begins).map(listed),
        });
        self.incremental.end = Some(last);
        Ok(true)
    }
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
