use tributary_api::Result;

use super::Reader;
use crate::clock::now_nanos;
use crate::history::TableChange;
use crate::offset::Offset;
use crate::record::{SnapshotMark, Source, What};
use crate::table::Table;

/// How Debezium writes a statement of which it sees the effect only.
const UNKNOWN_STATEMENT: &str = "N/A";

impl Reader {
    /// Sends what a table looks like from a position on, if that is asked for.
    pub(crate) fn tell_of_structure(
        &mut self,
        change: TableChange,
        table: &Table,
        mark: SnapshotMark,
        at: Offset,
    ) -> Result<()> {
        let Some(changes) = &self.schema_changes else { return Ok(()) };
        let streaming = mark == SnapshotMark::False;
        let place = Source {
            table: &table.id,
            nanos: now_nanos(),
            snapshot: mark,
            commit: at.commit,
            change: at.change,
            serial: streaming.then_some(at.serial),
        };
        let what = What {
            change,
            table,
            ddl: streaming.then_some(UNKNOWN_STATEMENT),
            source: &self.records.source,
            place,
            partition: &self.records.partition,
            offset: &at.store(),
        };
        let record = changes.record(what, &self.records.headers)?;
        self.out.pending().push(record);
        Ok(())
    }
}
