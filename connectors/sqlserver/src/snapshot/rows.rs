use std::sync::Arc;

use tiberius::ColumnData;
use tributary_api::{Error, Record, Result, Value};

use crate::clock::now_nanos;
use crate::offset::{Members, Offset};
use crate::record::{Change, Positions, RecordBuilder, SnapshotMark, Source, TableSchema};
use crate::sql::{Cells, Client, Rows, quoted, quoted_table};
use crate::types::instant_nanos;

/// Whether a table is the first or last one of the snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct TablePosition {
    pub(super) first_table: bool,
    pub(super) last_table: bool,
}

/// A row with its snapshot mark, not converted to a record yet.
#[derive(Debug)]
pub(crate) struct Row {
    schema: Arc<TableSchema>,
    values: Vec<Value>,
    nanos: i64,
    pub(super) mark: SnapshotMark,
}

/// The rows of one table, each with its snapshot mark.
pub(super) struct TableRows<'a> {
    rows: Rows<'a>,
    schema: Arc<TableSchema>,
    position: TablePosition,
    places: Vec<Option<usize>>,
    nanos: i64,
    /// The row after the current one, read in advance to know whether the current one is the last.
    ahead: Option<Cells>,
    count: u64,
}

impl<'a> TableRows<'a> {
    /// `statement` is a statement from the configuration, in which an asterisk is replaced by the columns.
    pub(super) async fn open(
        client: &'a mut Client,
        schema: &Arc<TableSchema>,
        position: TablePosition,
        statement: Option<&str>,
    ) -> Result<Self> {
        let nanos = server_time(client).await?;
        let table = &schema.table;
        let needed = schema.needed();
        let column = |place: &usize| {
            let column = &table.columns[*place];
            format!("{} AS {}", column.selected(""), quoted(&column.name))
        };
        let columns = needed.iter().map(column);
        let columns: Vec<String> = columns.collect();
        let columns = if columns.is_empty() { "NULL".to_owned() } else { columns.join(", ") };
        let sql = match statement {
            Some(statement) => statement.replace('*', &columns),
            None => format!("SELECT {columns} FROM {}", quoted_table(&table.id)),
        };
        let mut rows = client.rows(&sql, Vec::new()).await?;
        let ahead = rows.next().await?;
        let known = |name: &String| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let places = match statement {
            Some(_) => rows.columns().iter().map(known).collect(),
            None => needed.into_iter().map(Some).collect(),
        };
        Ok(Self { rows, schema: Arc::clone(schema), position, places, nanos, ahead, count: 0 })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Row>> {
        let Some(cells) = self.ahead.take() else { return Ok(None) };
        self.ahead = self.rows.next().await?;
        let TablePosition { first_table, last_table } = self.position;
        let mark = SnapshotMark::of(first_table, last_table, self.count == 0, self.ahead.is_none());
        self.count += 1;
        let values = self.schema.values(cells.rest(), &self.places)?;
        Ok(Some(Row { schema: Arc::clone(&self.schema), values, nanos: self.nanos, mark }))
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

impl RecordBuilder {
    pub(super) fn push_row(
        &mut self,
        records: &mut Vec<Record>,
        row: Row,
        offset: Offset,
        members: Option<&Members>,
    ) -> Result<()> {
        let schema = row.schema;
        let source = Source {
            table: &schema.table.id,
            nanos: row.nanos,
            snapshot: row.mark,
            commit: offset.commit,
            change: offset.change,
            serial: offset.change.map(|_| offset.serial),
        };
        let positions = Positions { before: offset, behind: offset, transaction: None, members };
        self.push(records, &schema, Change::Read(row.values), source, positions)?;
        Ok(())
    }
}

/// The server's time when the reading of a table began; all records of the table have it.
async fn server_time(client: &mut Client) -> Result<i64> {
    let row = client.query("SELECT SYSDATETIMEOFFSET()", Vec::new()).await?.pop();
    match row.map(|mut row| row.data()).transpose()? {
        Some(ColumnData::DateTimeOffset(Some(time))) => Ok(instant_nanos(time)),
        Some(ColumnData::DateTimeOffset(None)) | None => Ok(now_nanos()),
        Some(other) => Err(Error::fatal(format!("the server's time is {other:?}"))),
    }
}
