//! Notifications about initial and blocking snapshots.

use tributary_api::Result;

use super::Notification;
use crate::offset::Offset;
use crate::reader::Reader;
use crate::table::{TableId, joined};

const AGGREGATE: &str = "Initial Snapshot";

impl Reader {
    pub(crate) fn notify_snapshot(
        &mut self,
        kind: &'static str,
        data: Vec<(&'static str, String)>,
        at: Offset,
    ) -> Result<()> {
        self.notify_at(Notification { id: None, aggregate: AGGREGATE, kind, data }, at)
    }

    /// That the reading of a table begins.
    pub(crate) fn notify_table_in_progress(&mut self, table: &TableId, all: &[TableId], at: Offset) -> Result<()> {
        let data = vec![("current_collection_in_progress", table.to_string()), ("data_collections", joined(all))];
        self.notify_snapshot("IN_PROGRESS", data, at)
    }

    /// That all rows of a table are read.
    pub(crate) fn notify_table_scan_completed(
        &mut self,
        table: &TableId,
        all: &[TableId],
        rows: u64,
        at: Offset,
    ) -> Result<()> {
        let data = vec![
            ("scanned_collection", table.to_string()),
            ("data_collections", joined(all)),
            ("total_rows_scanned", rows.to_string()),
            ("status", "SUCCEEDED".to_owned()),
        ];
        self.notify_snapshot("TABLE_SCAN_COMPLETED", data, at)
    }
}
