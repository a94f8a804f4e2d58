use std::sync::Arc;

use tributary_api::Result;

use super::window::identity;
use crate::clock::now_nanos;
use crate::failure::Failure;
use crate::offset::{Offset, Snapshot};
use crate::reader::{Flow, Reader};
use crate::record::{Change, Positions, SnapshotMark, Source, TableSchema};

impl Reader {
    /// Sends the rows of the window that did not change since it was opened. `end` is the position of the window's end.
    pub(super) async fn send_window(&mut self, end: Offset) -> Result<Flow, Failure> {
        let current = self.incremental.current().and_then(|current| self.schemas.get(&current.id));
        let Some(schema) = current.map(Arc::clone) else { return Ok(Flow::Continue) };
        let at = self.offset.unwrap_or(Offset::NONE);
        let snapshot = Snapshot::Incremental { completed: self.incremental.after_snapshot };
        let offset = Offset { snapshot, ..at };
        for row in self.incremental.window.take() {
            if let Some(key) = row.key {
                self.incremental.sent(key);
            }
            let source = Source {
                table: &schema.table.id,
                nanos: now_nanos(),
                snapshot: SnapshotMark::Incremental,
                commit: end.commit,
                change: end.change,
                serial: end.change.map(|_| end.serial),
            };
            let members = self.incremental.members();
            let positions = Positions { before: offset, behind: offset, transaction: None, members };
            self.records.push(self.out.pending(), &schema, Change::Read(row.values), source, positions)?;
            if self.out.offer().await == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// The keys under which the window knows the rows of a change; `None` if the change removes no row from it.
    pub(crate) fn changed_in_window(&self, schema: &TableSchema, change: &Change) -> Result<Vec<Vec<u8>>> {
        if !self.incremental.watches(&schema.table.id) {
            return Ok(Vec::new());
        }
        let rows = match change {
            Change::Read(_) => Vec::new(),
            Change::Create(row) | Change::Delete(row) => vec![row],
            Change::Update { before, after } => vec![before, after],
        };
        rows.into_iter().filter_map(|values| identity(schema, values).transpose()).collect()
    }

    /// Removes rows from the window if a newer change of them was sent.
    pub(crate) fn take_from_window(&mut self, changed: &[Vec<u8>]) {
        for identity in changed {
            self.incremental.window.remove(identity);
        }
    }
}
