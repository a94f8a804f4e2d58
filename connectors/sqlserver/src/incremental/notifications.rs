//! Notifications about an incremental snapshot.

use tributary_api::Result;

use super::key::shown;
use crate::notification::Notification;
use crate::reader::Reader;

const AGGREGATE: &str = "Incremental Snapshot";
const TABLES: &str = "data_collections";

/// How the reading of a table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    Empty,
    NoPrimaryKey,
    SqlException,
    Succeeded,
    UnknownSchema,
}

impl Scanned {
    fn text(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::NoPrimaryKey => "NO_PRIMARY_KEY",
            Self::SqlException => "SQL_EXCEPTION",
            Self::Succeeded => "SUCCEEDED",
            Self::UnknownSchema => "UNKNOWN_SCHEMA",
        }
    }
}

impl Reader {
    /// Notifies that the snapshot of the tables was started, paused or resumed.
    pub(super) fn notify_tables(&mut self, kind: &'static str) -> Result<()> {
        let names = self.incremental.names();
        self.notify_incremental(kind, vec![(TABLES, names)])
    }

    pub(super) fn notify_aborted(&mut self, stopped: &[String]) -> Result<()> {
        self.notify_incremental("ABORTED", vec![(TABLES, stopped.join(","))])
    }

    /// Notifies that a chunk was read.
    pub(super) fn notify_chunk(&mut self) -> Result<()> {
        let Some(current) = self.incremental.current() else { return Ok(()) };
        let data = vec![
            ("current_collection_in_progress", current.id.to_string()),
            ("maximum_key", self.incremental.maximum.as_deref().map(shown).unwrap_or_default()),
            ("last_processed_key", self.incremental.end.as_deref().map(shown).unwrap_or_default()),
            (TABLES, self.incremental.names()),
        ];
        self.notify_incremental("IN_PROGRESS", data)
    }

    /// Continues with the next table, and notifies how the current one ended. After the last table the snapshot is
    /// complete.
    pub(super) fn next_table(&mut self, scanned: Scanned) -> Result<()> {
        let Some(current) = self.incremental.current() else { return Ok(()) };
        let data = vec![
            (TABLES, self.incremental.names()),
            ("scanned_collection", current.id.to_string()),
            ("total_rows_scanned", self.incremental.scanned.to_string()),
            ("status", scanned.text().to_owned()),
        ];
        self.notify_incremental("TABLE_SCAN_COMPLETED", data)?;
        self.incremental.next();
        self.metrics.snapshot.table_ends(self.incremental.tables().count());
        if !self.incremental.is_running() {
            tracing::info!(database = %self.database, "the incremental snapshot is complete");
            self.metrics.snapshot.ends(true);
            self.notify_incremental("COMPLETED", Vec::new())?;
            self.incremental.finish();
        }
        Ok(())
    }

    fn notify_incremental(&mut self, kind: &'static str, data: Vec<(&'static str, String)>) -> Result<()> {
        let id = self.incremental.correlation().map(str::to_owned);
        self.notify(Notification { id, aggregate: AGGREGATE, kind, data })
    }
}
