//! One page of a change table: the statement that reads it, and the conversion of its rows.

use tiberius::ColumnData;
use tributary_api::{Error, Result};

use super::instance::Instance;
use super::probe::was_cleaned_up;
use crate::config::QueryMode;
use crate::failure::Failure;
use crate::lsn::Lsn;
use crate::sql::{Cells, Client, classified, is_missing_object, is_out_of_range, quoted};
use crate::types::instant_nanos;

/// A row of a change table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) mask: Vec<u8>,
    /// When the transaction ended, if the server still has its time.
    pub(super) nanos: Option<i64>,
    pub(super) data: Vec<ColumnData<'static>>,
}

/// The command number of rows that were captured before the server update that added it. They have null there, which
/// sorts first.
const NO_COMMAND: i64 = -1;

/// A row's key in its change table. The order is that of the table's index, apart from the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) commit: Lsn,
    pub(super) command: i64,
    pub(super) change: Lsn,
    pub(super) operation: i64,
}

#[cfg(test)]
impl Key {
    /// The key of an inserted row, from the last numbers of its positions.
    pub(super) fn of_insert(commit: u16, change: u16) -> Self {
        Self { commit: Lsn::numbered(commit), command: 1, change: Lsn::numbered(change), operation: 2 }
    }
}

/// Where a page begins: at a position, or after a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum PageStart {
    At(Lsn),
    Behind(Key),
}

impl PageStart {
    pub(super) fn commit(self) -> Lsn {
        match self {
            Self::At(commit) => commit,
            Self::Behind(key) => key.commit,
        }
    }
}

/// Which part of the change tables is read, and how.
#[derive(Clone, Debug)]
pub(super) struct Pages<'a> {
    pub(super) database: &'a str,
    pub(super) mode: QueryMode,
    pub(super) skipped: &'a [i64],
    pub(super) to: Lsn,
}

impl Pages<'_> {
    /// The next rows, in the order of commits and, where the server has their numbers, of commands within a commit.
    pub(super) async fn read(
        &self,
        client: &mut Client,
        instance: &Instance,
        from: PageStart,
        rows: usize,
    ) -> Result<Vec<Row>, Failure> {
        let key = match from {
            PageStart::Behind(key) => key,
            PageStart::At(commit) => Key { commit, command: NO_COMMAND, change: Lsn::ZERO, operation: 0 },
        };
        let parameters = vec![
            key.commit.into(),
            i32::try_from(key.command).unwrap_or(i32::MAX).into(),
            key.change.into(),
            i32::try_from(key.operation).unwrap_or(i32::MAX).into(),
            self.to.into(),
        ];
        let gone = || {
            let (from, instance) = (from.commit(), &instance.table.instance);
            Failure::Lost(format!("a cleanup has removed changes after {from} in the capture instance {instance}"))
        };
        let mut results = match client.try_results(&self.sql(instance, from, rows), parameters).await {
            Ok(results) => results.into_iter(),
            // A cleanup after the look at the log has raised the lowest position that the function accepts.
            Err(error) if self.mode == QueryMode::Function && is_out_of_range(&error) => return Err(gone()),
            Err(error) => {
                let attempt = format!("cannot read changes of the capture instance {}", instance.table.instance);
                let classified = classified(&error, &attempt);
                return Err(if is_missing_object(&error) { Failure::Missing(classified) } else { classified.into() });
            }
        };
        let page: Result<Vec<Row>> = results.next().unwrap_or_default().into_iter().map(row).collect();
        let page = page?;
        // A cleanup that started in the meantime may have removed rows before they were read.
        let start = results.next().and_then(|mut rows| rows.pop());
        let start = start.map(|mut row| row.lsn()).transpose()?.flatten();
        if was_cleaned_up(instance.table.start, start, from.commit()) {
            return Err(gone());
        }
        Ok(page)
    }

    fn sql(&self, instance: &Instance, from: PageStart, rows: usize) -> String {
        let database = quoted(self.database);
        let ordered = instance.table.ordered && self.mode == QueryMode::Direct;
        let source = match self.mode {
            QueryMode::Direct => quoted(&format!("{}_CT", instance.table.instance)),
            QueryMode::Function => {
                let function = quoted(&format!("fn_cdc_get_all_changes_{}", instance.table.instance));
                // The function refuses positions below the beginning of the instance.
                let start = match instance.table.start {
                    Some(start) if start > from.commit() => literal(start),
                    _ => "@P1".to_owned(),
                };
                format!("{function}({start}, @P5, N'all update old')")
            }
        };
        let behind = if ordered {
            // The condition on the commit alone lets the server use the index.
            "ISNULL(ct.[__$command_id], -1) > @P2 OR (ISNULL(ct.[__$command_id], -1) = @P2 AND \
             (ct.[__$seqval] > @P3 OR (ct.[__$seqval] = @P3 AND ct.[__$operation] > @P4)))"
        } else {
            "@P2 IS NOT NULL AND (ct.[__$seqval] > @P3 OR (ct.[__$seqval] = @P3 AND ct.[__$operation] > @P4))"
        };
        let (command, by_command) = if ordered { ("ct.[__$command_id]", "ct.[__$command_id], ") } else { ("0", "") };
        let skipped: Vec<String> = self.skipped.iter().map(ToString::to_string).collect();
        let skipped = if skipped.is_empty() {
            String::new()
        } else {
            format!(" AND ct.[__$operation] NOT IN ({})", skipped.join(", "))
        };
        let columns = if instance.selected.is_empty() { "NULL" } else { &instance.selected };
        format!(
            "SELECT TOP ({rows}) ct.[__$start_lsn], {command}, ct.[__$seqval], ct.[__$operation], ct.[__$update_mask], \
             TODATETIMEOFFSET(ltm.tran_end_time, DATEPART(TZOFFSET, SYSDATETIMEOFFSET())), {columns} \
             FROM {database}.cdc.{source} AS ct LEFT JOIN {database}.cdc.lsn_time_mapping AS ltm \
             ON ltm.start_lsn = ct.[__$start_lsn] \
             WHERE ct.[__$start_lsn] >= @P1 AND ct.[__$start_lsn] <= @P5 \
             AND (ct.[__$start_lsn] > @P1 OR {behind}){skipped} \
             ORDER BY ct.[__$start_lsn], {by_command}ct.[__$seqval], ct.[__$operation]; \
             SELECT start_lsn FROM {database}.cdc.change_tables WHERE object_id = {object}",
            object = instance.table.object,
        )
    }
}

fn literal(lsn: Lsn) -> String {
    format!("0x{}", lsn.to_string().replace(':', ""))
}

fn row(mut cells: Cells) -> Result<Row> {
    let missing = || Error::fatal("a change table has a row without a position");
    let commit = cells.lsn()?.ok_or_else(missing)?;
    let command = cells.int()?.unwrap_or(NO_COMMAND);
    let change = cells.lsn()?.ok_or_else(missing)?;
    let operation = cells.required_int()?;
    let mask = cells.bytes()?.unwrap_or_default();
    let nanos = match cells.data()? {
        ColumnData::DateTimeOffset(time) => time.map(instant_nanos),
        _ => None,
    };
    Ok(Row { key: Key { commit, command, change, operation }, mask, nanos, data: cells.rest() })
}

/// The approximate size of a row, in bytes.
pub(super) fn bytes(row: &Row) -> usize {
    let cells = row.data.iter().map(|cell| match cell {
        ColumnData::String(Some(text)) => text.len(),
        ColumnData::Binary(Some(bytes)) => bytes.len(),
        ColumnData::Xml(Some(xml)) => AsRef::<str>::as_ref(&**xml).len(),
        _ => 0,
    });
    cells.sum::<usize>() + row.data.len() * size_of::<ColumnData<'_>>() + size_of::<Row>()
}

/// Whether an update has changed a column, by the column's index among the captured ones. The last byte of the mask has
/// the first eight columns.
pub(super) fn has_changed(mask: &[u8], place: usize) -> bool {
    let Some(byte) = mask.len().checked_sub(place / 8 + 1) else { return true };
    mask.get(byte).is_none_or(|byte| byte & (1 << (place % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masks_last_byte_has_the_first_columns() {
        // Column 2 of 12, and column 10.
        assert!(has_changed(&[0x00, 0x02], 1));
        assert!(!has_changed(&[0x00, 0x02], 9));
        assert!(has_changed(&[0x02, 0x00], 9));
        assert!(!has_changed(&[0x02, 0x00], 1));
        // A column beyond the mask counts as changed.
        assert!(has_changed(&[], 0));
    }
}
