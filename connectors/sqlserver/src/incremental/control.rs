//! How signals start, stop, pause and resume an incremental snapshot.

use super::collection::{Collection, Request, matches_whole, parse_id};
use crate::failure::Failure;
use crate::offset::Offset;
use crate::reader::{Flow, Reader};
use crate::table::TableId;

impl Reader {
    /// Adds tables to the snapshot, and starts it if there is none.
    pub(crate) async fn execute_incremental(&mut self, signal: &str, request: &Request) -> Result<(), Failure> {
        let begins = !self.incremental.is_running();
        let mut collections = request.resolve(self.schemas.ids())?;
        collections.retain(|collection| self.is_ours(collection));
        if collections.is_empty() {
            return Ok(());
        }
        self.warn_of_signal_table();
        let added = collections.len();
        self.incremental.add(signal, collections);
        if begins {
            self.metrics.snapshot.begins(added);
            self.notify_tables("STARTED")?;
            self.read_chunk().await?;
        } else {
            self.metrics.snapshot.more_tables(added, self.incremental.tables().count());
        }
        Ok(())
    }

    /// Stops the snapshot of these tables (of all, if none is named) after the current chunk is sent.
    pub(crate) async fn stop_incremental(&mut self, names: Vec<String>) -> Result<(), Failure> {
        if !self.incremental.is_running() {
            tracing::warn!(database = %self.database, "a signal to stop is left out: there is no incremental snapshot");
            return Ok(());
        }
        // Matched now, so that an invalid regular expression is an error of this signal.
        let mut stops = Vec::new();
        for id in self.incremental.tables() {
            if (names.is_empty() || is_named(&names, id)?)
                && !self.incremental.stops.contains(id)
                && !stops.contains(id)
            {
                stops.push(id.clone());
            }
        }
        if stops.is_empty() {
            tracing::warn!(database = %self.database, ?names, "a signal to stop names no table of the incremental snapshot");
            return Ok(());
        }
        self.incremental.stops.extend(stops);
        // Otherwise the tables are stopped at the end of the chunk.
        if self.incremental.chunk.is_none() { self.read_chunk().await } else { Ok(()) }
    }

    /// A pause is not stored: after a restart the snapshot continues.
    pub(crate) fn pause_incremental(&mut self) -> Result<(), Failure> {
        if self.incremental.is_running() && !self.incremental.paused {
            self.incremental.paused = true;
            self.metrics.snapshot.pauses();
            self.notify_tables("PAUSED")?;
        }
        Ok(())
    }

    pub(crate) async fn resume_incremental(&mut self) -> Result<(), Failure> {
        if !self.incremental.is_running() || !self.incremental.paused {
            return Ok(());
        }
        self.incremental.paused = false;
        self.metrics.snapshot.resumes();
        self.notify_tables("RESUMED")?;
        // Otherwise a chunk is in the window, and the snapshot continues when the stream reaches its end.
        if self.incremental.chunk.is_none() { self.read_chunk().await } else { Ok(()) }
    }

    /// The stream has reached the beginning of a window.
    pub(crate) fn enter_window(&mut self, id: &str) {
        if self.incremental.is_of_chunk(id) {
            self.incremental.open = true;
        } else {
            tracing::debug!(id, "the beginning of a window that is not read any more");
        }
    }

    /// The stream has reached the end of a window: its remaining rows are sent, and the next chunk is read. `end` is the
    /// position of that end, which the rows have in their source block.
    pub(crate) async fn leave_window(&mut self, id: &str, end: Offset) -> Result<Flow, Failure> {
        if !self.incremental.is_of_chunk(id) {
            tracing::debug!(id, "the end of a window that is not read any more");
            return Ok(Flow::Continue);
        }
        self.incremental.open = false;
        self.incremental.chunk = None;
        // All changes that were captured before the rows were read are sent. The later ones have the new structure.
        if let Some(table) = self.incremental.altered.take() {
            let mut client = self.pool.take().await?;
            self.alter(&mut client, &table).await?;
            client.give_back();
        }
        if self.send_window(end).await? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        self.read_chunk().await?;
        Ok(Flow::Continue)
    }

    /// The structure of a table changes: its rows in the window are read again.
    pub(crate) async fn reread_window(&mut self, table: &TableId) -> Result<(), Failure> {
        if !self.incremental.holds(table) {
            return Ok(());
        }
        self.incremental.revert();
        self.read_chunk().await
    }

    /// Stops the tables that are to be stopped. Called while no chunk is being read.
    pub(super) fn stop_requested_tables(&mut self) -> tributary_api::Result<()> {
        let stops = std::mem::take(&mut self.incremental.stops);
        if stops.is_empty() || !self.incremental.is_running() {
            return Ok(());
        }
        let mut stopped = Vec::new();
        let mut current_stops = false;
        for id in stops {
            current_stops |= self.incremental.current().is_some_and(|current| current.id == id);
            if self.incremental.remove(&id) {
                stopped.push(id.to_string());
            }
        }
        if current_stops {
            stopped.extend(self.incremental.current().map(|current| current.id.to_string()));
            self.incremental.next();
        }
        tracing::info!(database = %self.database, tables = stopped.join(","), "the incremental snapshot of tables was stopped");
        self.notify_aborted(&stopped)?;
        self.metrics.snapshot.table_ends(self.incremental.tables().count());
        if !self.incremental.is_running() {
            self.metrics.snapshot.ends(false);
            self.incremental.finish();
        }
        Ok(())
    }

    /// Whether the table is not in the database of another reader. A table of a database that no reader has is reported
    /// as unknown when it is read.
    fn is_ours(&self, collection: &Collection) -> bool {
        let named = |database: &str| collection.id.database.eq_ignore_ascii_case(database);
        let ours = named(&self.database) || !self.settings.databases.iter().any(|database| named(database));
        if !ours {
            tracing::info!(database = %self.database, table = %collection.id, "a table of a signal is of another database: name the tables \
                of each database in a signal of their own");
        }
        ours
    }

    /// Warns if the signal table is not captured, because the end of a chunk is then never seen.
    pub(super) fn warn_of_signal_table(&self) {
        let signals = &self.settings.signals;
        if let Some(table) = signals.table_of(&self.database)
            && !self.schemas.ids().any(|id| signals.is_table(id))
        {
            tracing::warn!(%table, "the signal table has no capture instance: no row of an incremental snapshot is sent until it is \
                enabled by sys.sp_cdc_enable_table");
        }
    }
}

fn is_named(names: &[String], id: &TableId) -> tributary_api::Result<bool> {
    for name in names {
        let same = |named: TableId| named.to_string().eq_ignore_ascii_case(&id.to_string());
        if parse_id(name).is_some_and(same) || matches_whole(name, &id.to_string(), true)? {
            return Ok(true);
        }
    }
    Ok(false)
}
