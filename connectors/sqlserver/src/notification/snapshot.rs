//! What is told of initial and blocking snapshots.

use tributary_api::Result;

use super::Notice;
use crate::offset::Offset;
use crate::reader::Reader;
use crate::table::{TableId, joined};

const AGGREGATE: &str = "Initial Snapshot";

impl Reader {
    pub(crate) fn tell_of_snapshot(
        &mut self,
        kind: &'static str,
        data: Vec<(&'static str, String)>,
        at: Offset,
    ) -> Result<()> {
        self.notify_at(Notice { id: None, aggregate: AGGREGATE, kind, data }, at)
    }

    /// That the reading of a table begins.
    pub(crate) fn tell_of_table(&mut self, table: &TableId, all: &[TableId], at: Offset) -> Result<()> {
        let data = vec![("current_collection_in_progress", table.to_string()), ("data_collections", joined(all))];
        self.tell_of_snapshot("IN_PROGRESS", data, at)
    }

    /// That all rows of a table are read.
    pub(crate) fn tell_of_rows(&mut self, table: &TableId, all: &[TableId], rows: u64, at: Offset) -> Result<()> {
        let data = vec![
            ("scanned_collection", table.to_string()),
            ("data_collections", joined(all)),
            ("total_rows_scanned", rows.to_string()),
            ("status", "SUCCEEDED".to_owned()),
        ];
        self.tell_of_snapshot("TABLE_SCAN_COMPLETED", data, at)
    }
}
