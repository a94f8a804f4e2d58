use std::sync::Arc;

use bytestring::ByteString;

use crate::lsn::Lsn;
use crate::record::TableSchema;
use crate::table::{ChangeTable, Table};

/// A capture instance that is being read.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) table: ChangeTable,
    /// The structure that the table gets from this instance's first position on, if that is still to come.
    pub(super) coming: Option<Table>,
    /// The select list, in the order of the captured columns.
    pub(super) selected: String,
    /// The average size of the last page's rows, in bytes.
    row_bytes: usize,
    large: bool,
    /// The schema that `places` was made for.
    schema: Option<Arc<TableSchema>>,
    places: Arc<[Option<usize>]>,
}

/// Assumed sizes of a row before the first page was read, without and with large values. By default the server stores
/// up to 64 KiB of a large value in a change table.
const ROW_BYTES: usize = 512;
const LARGE_ROW_BYTES: usize = 64 * 1024;
/// The least that is assumed for a row with large columns, even if the rows of the last page were small.
const LEAST_LARGE_ROW_BYTES: usize = 8 * 1024;

impl Instance {
    pub(super) fn new(table: ChangeTable, structure: &Table, coming: Option<Table>) -> Self {
        let selected: Vec<String> = table.columns.iter().map(|name| selected(structure, name)).collect();
        let selected = selected.join(", ");
        let large = structure.columns.iter().any(|column| column.is_large() && table.columns.contains(&column.name));
        let row_bytes = if large { LARGE_ROW_BYTES } else { ROW_BYTES };
        Self { table, coming, selected, row_bytes, large, schema: None, places: Arc::from([]) }
    }

    /// The expected size of a row, in bytes.
    pub(super) fn row_bytes(&self) -> usize {
        let least = if self.large { LEAST_LARGE_ROW_BYTES } else { 1 };
        self.row_bytes.max(least)
    }

    /// Sets the average size of the last page's rows.
    pub(super) fn set_row_bytes(&mut self, bytes: usize) {
        self.row_bytes = bytes;
    }

    /// The index of each captured column in the table of this schema.
    pub(super) fn places(&mut self, schema: &Arc<TableSchema>) -> Arc<[Option<usize>]> {
        if !self.schema.as_ref().is_some_and(|known| Arc::ptr_eq(known, schema)) {
            let columns = &schema.table.columns;
            let place = |name: &ByteString| columns.iter().position(|column| column.name == *name);
            self.places = self.table.columns.iter().map(place).collect();
            self.schema = Some(Arc::clone(schema));
        }
        Arc::clone(&self.places)
    }

    /// Whether the newer instance of the table has this commit's changes.
    pub(super) fn has_stopped(&self, commit: Lsn) -> bool {
        self.table.stop.is_some_and(|stop| stop <= commit)
    }
}

/// A column that was dropped from the table is read without a cast.
fn selected(structure: &Table, name: &ByteString) -> String {
    match structure.columns.iter().find(|column| column.name == *name) {
        Some(column) => column.selected("ct."),
        None => format!("ct.{}", crate::sql::quoted(name)),
    }
}
