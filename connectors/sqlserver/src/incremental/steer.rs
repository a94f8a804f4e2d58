//! How signals start, stop, pause and resume an incremental snapshot.

use super::collection::{Request, expanded, parse_id};
use crate::failure::Failure;
use crate::reader::{Flow, Reader};
use crate::table::TableId;

/// The entry that stops all tables.
const ALL: &str = ".*";
/// The most names of tables that wait to be stopped.
const MOST_STOPS: usize = 1000;

impl Reader {
    /// Adds tables to the snapshot, and starts it if there is none.
    pub(crate) async fn execute_incremental(&mut self, signal: &str, request: &Request) -> Result<(), Failure> {
        let begins = !self.incremental.is_running();
        let collections = request.resolve(self.schemas.ids())?;
        if collections.is_empty() {
            return Ok(());
        }
        self.incremental.add(signal, collections);
        if begins {
            self.incremental.columns.clear();
            self.tell_of_tables("STARTED")?;
            self.read_chunk().await?;
        }
        Ok(())
    }

    /// Stops the snapshot of these tables (of all, if none is named) after the current chunk is sent.
    pub(crate) async fn stop_incremental(&mut self, names: Vec<String>) -> Result<(), Failure> {
        if !self.incremental.is_running() {
            tracing::warn!(database = %self.database, "a signal to stop is left out: there is no incremental snapshot");
            return Ok(());
        }
        let names = if names.is_empty() { vec![ALL.to_owned()] } else { names };
        let room = MOST_STOPS.saturating_sub(self.incremental.stops.len());
        self.incremental.stops.extend(names.into_iter().take(room));
        // Otherwise the tables are stopped at the end of the chunk.
        if self.incremental.chunk.is_none() { self.read_chunk().await } else { Ok(()) }
    }

    /// A pause is not stored: after a restart the snapshot continues.
    pub(crate) fn pause_incremental(&mut self) -> Result<(), Failure> {
        if self.incremental.is_running() && !self.incremental.paused {
            self.incremental.paused = true;
            self.tell_of_tables("PAUSED")?;
        }
        Ok(())
    }

    pub(crate) async fn go_on_with_incremental(&mut self) -> Result<(), Failure> {
        if !self.incremental.is_running() || !self.incremental.paused {
            return Ok(());
        }
        self.incremental.paused = false;
        self.tell_of_tables("RESUMED")?;
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

    /// The stream has reached the end of a window: its remaining rows are sent, and the next chunk is read.
    pub(crate) async fn leave_window(&mut self, id: &str) -> Result<Flow, Failure> {
        if !self.incremental.is_of_chunk(id) {
            tracing::debug!(id, "the end of a window that is not read any more");
            return Ok(Flow::Continue);
        }
        self.incremental.open = false;
        self.incremental.chunk = None;
        if self.send_window().await? == Flow::Stop {
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
    pub(super) fn stop_asked(&mut self) -> tributary_api::Result<()> {
        let names = std::mem::take(&mut self.incremental.stops);
        if names.is_empty() || !self.incremental.is_running() {
            return Ok(());
        }
        let mut stopped = Vec::new();
        let mut current_stops = false;
        for name in expanded(&names, self.incremental.tables().chain(self.schemas.ids()))? {
            let Some(id) = parse_id(&name) else { continue };
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
        self.tell_of_stop(&stopped)?;
        if !self.incremental.is_running() {
            self.incremental.finish();
        }
        Ok(())
    }
}
