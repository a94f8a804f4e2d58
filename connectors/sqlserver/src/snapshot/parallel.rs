//! Reads rows by several connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tributary_api::{Error, Result};

use super::marker::SnapshotMarker;
use super::parts::{self, Part};
use super::rows::{Row, TablePosition, TableRows};
use super::session::Session;
use crate::failure::Failure;
use crate::lsn::Lsn;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::record::{SnapshotMark, TableSchema};
use crate::sql::Client;

/// Rows that a connection hands over at once.
const ROWS: usize = 500;

/// What a connection has read of a table, which has its place among the others.
enum Read {
    Rows(usize, Vec<Row>),
    /// The end of a part.
    End(usize),
}

impl Reader {
    /// Reads the rows of these tables, whose locks and structure the session has. Every connection has a transaction of
    /// its own, which begins after the position was determined: a change that it sees early comes again with the changes.
    pub(super) async fn read_rows_in_parts(
        &mut self,
        session: &mut Session<'_>,
        tables: &[Arc<TableSchema>],
        position: Option<Lsn>,
    ) -> Result<Flow, Failure> {
        let parts = self.divide(session.client(), tables).await?;
        let all: Vec<usize> =
            (0..tables.len()).map(|table| parts.iter().filter(|part| part.table == table).count()).collect();
        let mut marker = SnapshotMarker::new(all.iter().copied());
        let mut ended = vec![0; tables.len()];
        for (schema, all) in tables.iter().zip(&all) {
            self.metrics.snapshot.parts(&schema.table.id, *all, 0);
        }
        let connections = self.settings.snapshot_threads.most.min(parts.len());
        tracing::info!(database = %self.database, connections, parts = parts.len(), "several connections read the rows");
        let (sender, mut read) = mpsc::channel(2 * connections.max(1));
        let (parts, next) = (Arc::<[Part]>::from(parts), Arc::<AtomicUsize>::default());
        // They end with this function.
        let mut readers = JoinSet::new();
        for _ in 0..connections {
            let client = Session::open(&self.settings, &self.database).await?.into_client();
            readers.spawn(read_parts(client, Arc::clone(&parts), Arc::clone(&next), sender.clone()));
        }
        drop(sender);
        let running = Offset::of_snapshot(position, Snapshot::Running);
        let ids: Vec<_> = tables.iter().map(|schema| schema.table.id.clone()).collect();
        let mut rows = vec![0_u64; tables.len()];
        let stopping = self.stopping.clone();
        loop {
            let read = tokio::select! {
                biased;
                () = stopping.cancelled() => return Ok(Flow::Stop),
                read = read.recv() => read,
            };
            let Some(read) = read else { break };
            match read? {
                Read::Rows(table, read) => {
                    rows[table] += read.len() as u64;
                    for row in read {
                        for (mut row, mark) in marker.add(table, row) {
                            row.mark = mark;
                            self.records.push_row(self.out.pending(), row, running, None)?;
                        }
                    }
                }
                Read::End(table) => {
                    ended[table] += 1;
                    self.metrics.snapshot.parts(&tables[table].table.id, all[table], ended[table]);
                    if let Some((mut row, mark)) = marker.part_ends(table) {
                        row.mark = mark;
                        self.records.push_row(self.out.pending(), row, running, None)?;
                    }
                    if marker.is_read(table) {
                        let (id, rows, remaining) = (&tables[table].table.id, rows[table], marker.unread_tables());
                        self.notify_table_in_progress(id, &ids, running)?;
                        self.notify_table_scan_completed(id, &ids, rows, running)?;
                        self.metrics.snapshot.table_begins(id);
                        self.metrics.snapshot.rows(rows, rows);
                        self.metrics.snapshot.table_ends(remaining);
                        tracing::info!(table = %id, rows, remaining, "a table's rows are read");
                    }
                }
            }
            if self.out.offer().await == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        if marker.unread_tables() > 0 {
            let message = "a connection's rows were not read to their end, by a defect of the connector";
            return Err(Error::fatal(message).into());
        }
        if let Some(mut last) = marker.end() {
            last.mark = SnapshotMark::Last;
            let completed = Offset::of_snapshot(position, Snapshot::Completed);
            self.records.push_row(self.out.pending(), last, completed, None)?;
        }
        Ok(Flow::Continue)
    }

    /// The parts of these tables, table by table.
    async fn divide(&self, client: &mut Client, tables: &[Arc<TableSchema>]) -> Result<Vec<Part>> {
        let mut divided = Vec::new();
        for (table, schema) in tables.iter().enumerate() {
            let id = &schema.table.id;
            let statements = match self.settings.overrides.of(id) {
                // Nobody knows which rows such a statement reads.
                Some(statement) => vec![Some(statement.to_owned())],
                None => {
                    let rows = parts::row_count(client, schema).await?;
                    parts::statements(client, schema, rows, self.settings.snapshot_threads.parts(id, rows)).await?
                }
            };
            let part = |statement| Part { table, schema: Arc::clone(schema), statement };
            divided.extend(statements.into_iter().map(part));
        }
        Ok(divided)
    }
}

/// Reads one part after the other until none is left. An error is the last that it hands over.
async fn read_parts(mut client: Client, parts: Arc<[Part]>, next: Arc<AtomicUsize>, out: mpsc::Sender<Result<Read>>) {
    while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
        if let Err(error) = read_part(&mut client, part, &out).await {
            // Whoever takes it may have ended.
            let _ = out.send(Err(error)).await;
            return;
        }
    }
}

async fn read_part(client: &mut Client, part: &Part, out: &mpsc::Sender<Result<Read>>) -> Result<()> {
    // The marks are set when rows of all connections come together.
    let position = TablePosition { first_table: false, last_table: false };
    let mut rows = TableRows::open(client, &part.schema, position, part.statement.as_deref()).await?;
    let ended = |_| Error::retriable("the snapshot was broken off");
    let mut full = Vec::with_capacity(ROWS);
    while let Some(row) = rows.next().await? {
        full.push(row);
        if full.len() == ROWS {
            let read = Read::Rows(part.table, std::mem::replace(&mut full, Vec::with_capacity(ROWS)));
            out.send(Ok(read)).await.map_err(ended)?;
        }
    }
    out.send(Ok(Read::Rows(part.table, full))).await.map_err(ended)?;
    out.send(Ok(Read::End(part.table))).await.map_err(ended)
}
