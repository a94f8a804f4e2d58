//! Snapshots: reads the rows that tables have at one position of the log.

mod blocking;
mod marks;
mod parallel;
mod parts;
mod rows;
mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;

use self::rows::{Place, TableRows};
use self::session::Session;
use crate::catalog::{all_tables, change_tables, max_lsn, read_table};
use crate::config::RowCountOrder;
use crate::failure::Failure;
use crate::history::TableChange;
use crate::lsn::Lsn;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader, Structure};
use crate::record::SnapshotMark;
use crate::table::TableId;

/// How many rows are read between two updates of the metrics.
const SHOWN_ROWS: u64 = 500;

impl Reader {
    /// Takes a snapshot and updates the metrics.
    pub(crate) async fn snapshot(&mut self, rows: bool) -> Result<Flow, Failure> {
        let taken = self.take_snapshot(rows).await;
        if taken.is_err() {
            self.tell_of_snapshot("ABORTED", Vec::new(), Offset::of_snapshot(None, Snapshot::Running))?;
        }
        self.metrics.snapshot_ends(matches!(taken, Ok(Flow::Continue)));
        taken
    }

    /// Takes a snapshot of the tables' structure, with or without their rows. When it returns, all of its records are
    /// in the outbox.
    async fn take_snapshot(&mut self, rows: bool) -> Result<Flow, Failure> {
        let settings = Arc::clone(&self.settings);
        let mut session = Session::open(&settings, &self.database).await?;
        let known = all_tables(session.client(), &self.database).await?;
        let captured = self.settings.tables.captured(known.iter().cloned(), |id| id)?;
        let captured = self.settings.with_rows(self.settings.tables.in_order(captured)?)?;
        // Of an offset without a snapshot a restart would begin with changes.
        self.tell_of_snapshot("STARTED", Vec::new(), Offset::of_snapshot(None, Snapshot::Running))?;
        self.metrics.snapshot_begins(if rows { captured.len() } else { 0 });
        tracing::info!(database = %self.database, tables = captured.len(), rows, "a snapshot begins");
        session.lock(&captured).await?;
        let position = max_lsn(session.client(), &self.database).await?;
        let at = Offset::of_snapshot(position, Snapshot::Running);
        let structures = self.read_structures(&mut session, known, at, rows).await?;
        session.unlock().await?;
        if rows {
            self.tell_of_structures(&structures).await?;
            let captured = self.ordered_by_rows(&mut session, captured).await?;
            if self.read_rows(&mut session, &captured, position).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            session.close().await?;
        } else {
            // The session is closed first: the last structure record marks the snapshot as complete, so nothing may
            // fail after it.
            session.close().await?;
            self.tell_of_structures(&structures).await?;
        }
        // Changes are read from this position on.
        let completed = Offset::of_snapshot(position, Snapshot::Completed);
        self.tell_of_snapshot("COMPLETED", Vec::new(), completed)?;
        self.offset = Some(completed);
        self.incremental.after_snapshot = true;
        tracing::info!(database = %self.database, ?position, "the snapshot is complete");
        Ok(self.out.flush().await)
    }

    /// Reads the current structure of the tables and uses it for the changes from the stored position on.
    pub(crate) async fn read_structure(&mut self) -> Result<(), Failure> {
        let settings = Arc::clone(&self.settings);
        let at = self.offset.unwrap_or(Offset::NONE);
        let mut session = Session::open(&settings, &self.database).await?;
        let known = all_tables(session.client(), &self.database).await?;
        let structures = self.read_structures(&mut session, known, at, false).await?;
        session.close().await?;
        self.tell_of_structures(&structures).await?;
        Ok(())
    }

    /// A captured table gets the columns of its newest capture instance, because changes after this position have
    /// those. A table that is not captured gets all of its columns.
    async fn read_structures(
        &mut self,
        session: &mut Session<'_>,
        known: Vec<TableId>,
        at: Offset,
        rows: bool,
    ) -> Result<Vec<Structure>, Failure> {
        self.schemas.forget_all();
        let instances = change_tables(session.client(), &self.database, None).await?;
        // The instances are sorted: the last one of a table is the newest.
        let columns: HashMap<TableId, Arc<[ByteString]>> =
            instances.into_iter().map(|instance| (instance.source, instance.columns)).collect();
        let filter = &self.settings.tables;
        let wanted_by_topics = self.settings.schema_changes || self.history.is_some();
        let all = wanted_by_topics && !self.settings.only_captured_structures;
        let wanted = if all {
            known.into_iter().filter(|id| filter.knows(id)).collect()
        } else {
            filter.captured(known, |id| id)?
        };
        let mut structures = Vec::with_capacity(wanted.len());
        for id in &wanted {
            // The table was dropped after the list of tables was read.
            let Some(table) = read_table(session.client(), id).await? else { continue };
            let table = match columns.get(id) {
                Some(columns) => table.with_columns(columns),
                None => table,
            };
            if self.settings.tables.captures(id)? {
                self.schemas.set(session.client(), table.clone()).await?;
            }
            structures.push(Structure { change: TableChange::Create, table, mark: SnapshotMark::True, at });
        }
        if let Some(last) = structures.last_mut().filter(|_| !rows) {
            last.mark = SnapshotMark::Last;
            // No rows follow, so this is the last record of the snapshot. Its offset marks the snapshot as complete: a
            // restart from it reads changes, and misses none.
            if at.snapshot == Snapshot::Running {
                last.at.snapshot = Snapshot::Completed;
            }
        }
        self.known = None;
        Ok(structures)
    }

    /// The tables in the order of `snapshot.tables.order.by.row.count`; those with as many rows stay as they are.
    async fn ordered_by_rows(
        &self,
        session: &mut Session<'_>,
        captured: Vec<TableId>,
    ) -> Result<Vec<TableId>, Failure> {
        if self.settings.row_count_order == RowCountOrder::Disabled {
            return Ok(captured);
        }
        let mut counted = Vec::with_capacity(captured.len());
        for id in captured {
            let Some(schema) = self.schemas.get(&id) else { continue };
            counted.push((parts::row_count(session.client(), schema).await?, id));
        }
        counted.sort_by_key(|(rows, _)| match self.settings.row_count_order {
            RowCountOrder::Descending => -rows,
            RowCountOrder::Ascending | RowCountOrder::Disabled => *rows,
        });
        Ok(counted.into_iter().map(|(_, id)| id).collect())
    }

    async fn read_rows(
        &mut self,
        session: &mut Session<'_>,
        captured: &[TableId],
        position: Option<Lsn>,
    ) -> Result<Flow, Failure> {
        if self.settings.snapshot_threads.are_several(self.settings.isolation) {
            let tables: Vec<_> = captured.iter().filter_map(|id| self.schemas.get(id).cloned()).collect();
            return self.read_rows_in_parts(session, &tables, position).await;
        }
        let running = Offset::of_snapshot(position, Snapshot::Running);
        let mut held = None;
        let started = Instant::now();
        for (number, id) in captured.iter().enumerate() {
            let Some(schema) = self.schemas.get(id).cloned() else { continue };
            let place = Place { first_table: number == 0, last_table: number + 1 == captured.len() };
            self.tell_of_table(id, captured, running)?;
            self.metrics.table_begins(id);
            let settings = Arc::clone(&self.settings);
            let mut rows = TableRows::open(session.client(), &schema, place, settings.overrides.of(id)).await?;
            let begun = Instant::now();
            while let Some(row) = rows.next().await? {
                if self.stopping.is_cancelled() {
                    return Ok(Flow::Stop);
                }
                if rows.count() % SHOWN_ROWS == 0 {
                    self.metrics.rows(rows.count(), SHOWN_ROWS, started.elapsed().as_secs_f64());
                }
                // One row is kept back, because the very last row of a snapshot has another offset.
                if let Some(before) = held.replace(row) {
                    self.records.push_row(self.out.pending(), before, running, None)?;
                    if self.out.offer().await == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            self.metrics.rows(rows.count(), rows.count() % SHOWN_ROWS, started.elapsed().as_secs_f64());
            let count = rows.count();
            self.tell_of_rows(id, captured, count, running)?;
            self.metrics.table_ends(captured.len() - number - 1);
            tracing::info!(table = %id, rows = count, seconds = begun.elapsed().as_secs(),
                table_number = number + 1, tables = captured.len(), "a table's rows are read");
        }
        if let Some(mut last) = held {
            last.mark = SnapshotMark::Last;
            let completed = Offset::of_snapshot(position, Snapshot::Completed);
            self.records.push_row(self.out.pending(), last, completed, None)?;
        }
        Ok(Flow::Continue)
    }
}
