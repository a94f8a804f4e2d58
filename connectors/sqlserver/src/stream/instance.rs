use std::sync::Arc;

use bytestring::ByteString;

use crate::lsn::Lsn;
use crate::record::TableSchema;
use crate::table::{ChangeTable, Table};

/// A capture instance that is read.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) table: ChangeTable,
    /// The table's structure as this instance has it, if it is the one to come: it counts from its first position on.
    pub(super) coming: Option<Table>,
    /// What is selected, in order.
    pub(super) selected: String,
    /// Bytes of a row, as the last page had them.
    row_bytes: usize,
    large: bool,
    /// For which schema `places` was made.
    schema: Option<Arc<TableSchema>>,
    places: Arc<[Option<usize>]>,
}

/// Until a page has shown it: of rows without and with large values, which change tables take up to 64 KiB of unless the
/// server is told otherwise.
const ROW_BYTES: usize = 512;
const LARGE_ROW_BYTES: usize = 64 * 1024;
/// Of rows that may be large though those of the last page were small.
const LEAST_LARGE_ROW_BYTES: usize = 8 * 1024;

impl Instance {
    pub(super) fn new(table: ChangeTable, structure: &Table, coming: Option<Table>) -> Self {
        let selected: Vec<String> = table.columns.iter().map(|name| selected(structure, name)).collect();
        let selected = selected.join(", ");
        let large = structure.columns.iter().any(|column| column.is_large() && table.columns.contains(&column.name));
        let row_bytes = if large { LARGE_ROW_BYTES } else { ROW_BYTES };
        Self { table, coming, selected, row_bytes, large, schema: None, places: Arc::from([]) }
    }

    /// What a row is expected to take.
    pub(super) fn row_bytes(&self) -> usize {
        let least = if self.large { LEAST_LARGE_ROW_BYTES } else { 1 };
        self.row_bytes.max(least)
    }

    /// What the rows of a page took.
    pub(super) fn set_row_bytes(&mut self, bytes: usize) {
        self.row_bytes = bytes;
    }

    /// Where the captured columns are in a table of this schema.
    pub(super) fn places(&mut self, schema: &Arc<TableSchema>) -> Arc<[Option<usize>]> {
        if !self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema)) {
            let columns = &schema.table.columns;
            let place = |name: &ByteString| columns.iter().position(|column| column.name == *name);
            self.places = self.table.columns.iter().map(place).collect();
            self.schema = Some(Arc::clone(schema));
        }
        Arc::clone(&self.places)
    }

    /// Whether a change of this commit is another instance's to tell.
    pub(super) fn has_stopped(&self, commit: Lsn) -> bool {
        self.table.stop.is_some_and(|stop| stop <= commit)
    }
}

/// A column that the table has no more is read as it comes.
fn selected(structure: &Table, name: &ByteString) -> String {
    match structure.columns.iter().find(|column| column.name == *name) {
        Some(column) => column.selected("ct."),
        None => format!("ct.{}", crate::sql::quoted(name)),
    }
}
