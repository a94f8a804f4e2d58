//! Snapshots: reads the rows that tables have at one position of the log.

mod blocking;
mod marker;
mod parallel;
mod parts;
mod rows;
mod session;
mod tables;

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;

use self::session::Session;
use self::tables::Reading;
use crate::catalog::{all_tables, change_tables, max_lsn, read_table};
use crate::config::RowCountOrder;
use crate::failure::Failure;
use crate::history::TableChange;
use crate::lsn::Lsn;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader, Structure};
use crate::record::SnapshotMark;
use crate::table::TableId;

impl Reader {
    /// Takes a snapshot and updates the metrics.
    pub(crate) async fn snapshot(&mut self, rows: bool) -> Result<Flow, Failure> {
        let taken = self.take_snapshot(rows).await;
        if taken.is_err() {
            self.notify_snapshot("ABORTED", Vec::new(), Offset::of_snapshot(None, Snapshot::Running))?;
        }
        self.metrics.snapshot.ends(matches!(taken, Ok(Flow::Continue)));
        taken
    }

    /// Takes a snapshot of the tables' structure, with or without their rows. When it returns, all of its records are
    /// in a batch.
    async fn take_snapshot(&mut self, rows: bool) -> Result<Flow, Failure> {
        let settings = Arc::clone(&self.settings);
        let mut session = Session::open(&settings, &self.database).await?;
        let known = all_tables(session.client(), &self.database).await?;
        let captured = self.settings.tables.captured(known.iter().cloned(), |id| id)?;
        let captured = self.settings.with_rows(self.settings.tables.in_order(captured)?)?;
        // Of an offset without a snapshot a restart would begin with changes.
        self.notify_snapshot("STARTED", Vec::new(), Offset::of_snapshot(None, Snapshot::Running))?;
        self.metrics.snapshot.begins(if rows { captured.len() } else { 0 });
        tracing::info!(database = %self.database, tables = captured.len(), rows, "a snapshot begins");
        session.lock(&captured).await?;
        let position = max_lsn(session.client(), &self.database).await?;
        let at = Offset::of_snapshot(position, Snapshot::Running);
        let structures = self.read_structures(&mut session, known, at, rows).await?;
        session.unlock().await?;
        if rows {
            self.record_structures(&structures).await?;
            let captured = self.ordered_by_rows(&mut session, captured).await?;
            if self.read_rows(&mut session, &captured, position).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            session.close().await?;
        } else {
            // The session is closed first: the last structure record marks the snapshot as complete, so nothing may
            // fail after it.
            session.close().await?;
            self.record_structures(&structures).await?;
        }
        // Changes are read from this position on.
        let completed = Offset::of_snapshot(position, Snapshot::Completed);
        self.notify_snapshot("COMPLETED", Vec::new(), completed)?;
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
        self.record_structures(&structures).await?;
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
            structures.push(Structure::seen(TableChange::Create, table, SnapshotMark::True, at));
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
        let settings = Arc::clone(&self.settings);
        let mut reading = Reading::new(captured, Offset::of_snapshot(position, Snapshot::Running));
        for (number, id) in captured.iter().enumerate() {
            let statement = settings.overrides.of(id);
            if self.read_table(session.client(), &mut reading, number, statement).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        self.end_reading(reading, Offset::of_snapshot(position, Snapshot::Completed))?;
        Ok(Flow::Continue)
    }
}
