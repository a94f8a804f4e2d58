//! Reads the rows of tables one after the other, by one connection.

use tributary_api::Result;

use super::rows::{Row, TablePosition, TableRows};
use crate::failure::Failure;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::record::SnapshotMark;
use crate::sql::Client;
use crate::table::TableId;

/// How many rows are read between two updates of the metrics.
const SHOWN_ROWS: u64 = 500;

/// The tables of a snapshot, and how far it is.
pub(super) struct Reading<'a> {
    tables: &'a [TableId],
    /// What rows have but for the very last one, which has another offset and so is kept back.
    at: Offset,
    held: Option<Row>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(tables: &'a [TableId], at: Offset) -> Self {
        Self { tables, at, held: None }
    }
}

impl Reader {
    /// Reads the rows of the table with this number.
    pub(super) async fn read_table(
        &mut self,
        client: &mut Client,
        reading: &mut Reading<'_>,
        number: usize,
        statement: Option<&str>,
    ) -> Result<Flow, Failure> {
        let Reading { tables, at, .. } = *reading;
        let Some(id) = tables.get(number) else { return Ok(Flow::Continue) };
        let Some(schema) = self.schemas.get(id).cloned() else { return Ok(Flow::Continue) };
        let position = TablePosition { first_table: number == 0, last_table: number + 1 == tables.len() };
        self.notify_table_in_progress(id, tables, at)?;
        self.metrics.snapshot.table_begins(id);
        let mut rows = TableRows::open(client, &schema, position, statement).await?;
        while let Some(row) = rows.next().await? {
            if self.stopping.is_cancelled() {
                return Ok(Flow::Stop);
            }
            if rows.count() % SHOWN_ROWS == 0 {
                self.metrics.snapshot.rows(rows.count(), SHOWN_ROWS);
            }
            if let Some(before) = reading.held.replace(row) {
                self.push_row(before, at)?;
                if self.out.offer().await == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
        }
        let count = rows.count();
        self.metrics.snapshot.rows(count, count % SHOWN_ROWS);
        self.notify_table_scan_completed(id, tables, count, at)?;
        self.metrics.snapshot.table_ends(tables.len() - number - 1);
        tracing::info!(table = %id, rows = count, table_number = number + 1, tables = tables.len(), "a table's rows are read");
        Ok(Flow::Continue)
    }

    /// Sends the row that was kept back, with the offset of a complete snapshot.
    pub(super) fn end_reading(&mut self, reading: Reading<'_>, completed: Offset) -> Result<()> {
        let Some(mut last) = reading.held else { return Ok(()) };
        last.mark = SnapshotMark::Last;
        self.push_row(last, completed)
    }

    fn push_row(&mut self, row: Row, at: Offset) -> Result<()> {
        // An incremental snapshot goes on behind a blocking one, and begins anew behind an initial one.
        let blocking = matches!(at.snapshot, Snapshot::Blocking { .. });
        let members = self.incremental.members().filter(|_| blocking);
        self.records.push_row(self.out.pending(), row, at, members)
    }
}
