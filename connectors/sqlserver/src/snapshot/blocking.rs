//! Snapshots that a signal asks for. Changes wait while the rows of some tables are read.

use std::sync::Arc;

use tributary_api::Result;

use super::session::Session;
use super::tables::Reading;
use crate::catalog::all_tables;
use crate::failure::Failure;
use crate::incremental::{Request, matches_whole};
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::table::TableId;

/// Snapshots that wait for the one that runs.
const MOST: usize = 16;

impl Reader {
    /// The snapshot is taken as soon as the changes that are being read are sent.
    pub(crate) fn request_blocking(&mut self, request: Request) {
        if self.blocking.len() < MOST {
            self.blocking.push_back(request);
        } else {
            tracing::warn!(database = %self.database, "a blocking snapshot is left out: {MOST} of them wait already");
        }
    }

    /// Takes the snapshots that were asked for. After an error that may pass a snapshot starts again with its first row;
    /// after another one it is given up, because changes must go on.
    pub(crate) async fn take_blocking_snapshots(&mut self) -> Result<Flow, Failure> {
        while let Some(request) = self.blocking.front().cloned() {
            let taken = self.take_blocking_snapshot(&request).await;
            self.metrics.snapshot.ends(matches!(taken, Ok(Flow::Continue)));
            match taken {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => return Ok(Flow::Stop),
                Err(Failure::Error(error)) if !error.is_retriable() => {
                    tracing::warn!(database = %self.database, %error, "a blocking snapshot could not be completed");
                    let at = self.offset.unwrap_or(Offset::NONE);
                    self.notify_snapshot("ABORTED", Vec::new(), at)?;
                }
                Err(failure) => return Err(failure),
            }
            self.blocking.pop_front();
        }
        Ok(Flow::Continue)
    }

    async fn take_blocking_snapshot(&mut self, request: &Request) -> Result<Flow, Failure> {
        let settings = Arc::clone(&self.settings);
        let mut session = Session::open(&settings, &self.database).await?;
        let known = all_tables(session.client(), &self.database).await?;
        let captured = self.settings.tables.captured(known, |id| id)?;
        let mut tables = Vec::new();
        for id in self.settings.tables.in_order(captured)? {
            if !self.settings.signals.is_table(&id) && names(request, &id)? {
                tables.push(id);
            }
        }
        tracing::info!(database = %self.database, tables = tables.len(), "a blocking snapshot begins: changes wait");
        let at = self.offset.unwrap_or(Offset::NONE);
        let of = |completed| Offset { snapshot: Snapshot::Blocking { completed }, ..at };
        self.notify_snapshot("STARTED", Vec::new(), at)?;
        session.lock(&tables).await?;
        for id in &tables {
            self.schema_to_read(session.client(), id).await?;
        }
        session.unlock().await?;
        self.metrics.snapshot.begins(tables.len());
        let mut reading = Reading::new(&tables, of(false));
        for (number, id) in tables.iter().enumerate() {
            let statement = statement_of(request, id)?;
            if self.read_table(session.client(), &mut reading, number, statement).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        self.end_reading(reading, of(true))?;
        session.close().await?;
        self.notify_snapshot("COMPLETED", Vec::new(), at)?;
        tracing::info!(database = %self.database, "the blocking snapshot is complete: changes go on");
        Ok(self.out.flush().await)
    }
}

/// Whether a table is one of those that are asked for.
fn names(request: &Request, id: &TableId) -> Result<bool> {
    for pattern in &request.collections {
        if matches_whole(pattern, &id.to_string(), true)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The statement that reads a table, if the request has one: its condition is a whole statement.
fn statement_of<'a>(request: &'a Request, id: &TableId) -> Result<Option<&'a str>> {
    for (pattern, statement) in &request.conditions {
        if matches_whole(pattern, &id.to_string(), true)? {
            return Ok(Some(statement));
        }
    }
    Ok(None)
}
