use tributary_api::{Error, Result};

use super::Reader;
use crate::clock::{now_millis, now_nanos};
use crate::config::HistorySettings;
use crate::history::{Entry, Known, TableChange};
use crate::lsn::Lsn;
use crate::offset::Offset;
use crate::record::{SchemaChange, SnapshotMark, Source};
use crate::sql::Client;
use crate::table::{ChangeTable, Table};

/// What Debezium writes in place of the DDL statement if it sees only its effect.
const UNKNOWN_STATEMENT: &str = "N/A";

/// The structure that a table has from a position on.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub(crate) change: TableChange,
    pub(crate) table: Table,
    pub(crate) mark: SnapshotMark,
    pub(crate) at: Offset,
    /// Whether a signal says so; otherwise it was seen in the database.
    pub(crate) by_signal: bool,
}

impl Structure {
    /// A structure that was seen in the database.
    pub(crate) fn seen(change: TableChange, table: Table, mark: SnapshotMark, at: Offset) -> Self {
        Self { change, table, mark, at, by_signal: false }
    }

    fn ddl(&self) -> Option<&'static str> {
        (self.mark == SnapshotMark::False && !self.by_signal).then_some(UNKNOWN_STATEMENT)
    }
}

impl Reader {
    /// Writes structures to the schema history and to the schema change topic, as far as these are configured. The
    /// history comes first: if it cannot be written, no record is sent.
    pub(crate) async fn record_structures(&mut self, structures: &[Structure]) -> Result<()> {
        if let Some(history) = &self.history {
            let positions: Vec<_> = structures.iter().map(|structure| structure.at.store()).collect();
            let mut entries = Vec::with_capacity(structures.len());
            for (structure, position) in structures.iter().zip(&positions) {
                let (partition, ddl, millis) = (&self.records.partition, structure.ddl(), now_millis());
                let Structure { change, table, .. } = structure;
                entries.push(Entry { partition, position, millis, ddl, change: *change, table });
            }
            history.write(&entries).await?;
        }
        for structure in structures {
            self.send_structure(structure)?;
        }
        Ok(())
    }

    fn send_structure(&mut self, structure: &Structure) -> Result<()> {
        let Some(changes) = &self.schema_changes else { return Ok(()) };
        let Structure { change, table, mark, at, .. } = structure;
        // A structure record between two changes must not mark the current transaction as ended.
        let with_metadata = *mark == SnapshotMark::False && self.records.transactions.is_some();
        let place = Source {
            table: &table.id,
            nanos: now_nanos(),
            snapshot: *mark,
            commit: at.commit,
            change: at.change,
            serial: (*mark == SnapshotMark::False).then_some(at.serial),
        };
        let schema_change = SchemaChange {
            change: *change,
            table,
            ddl: structure.ddl(),
            source: &self.records.source,
            place,
            partition: &self.records.partition,
            offset: &at.store_in(with_metadata.then_some(&self.transaction), self.incremental.members()),
        };
        let record = changes.record(schema_change, &self.records.headers)?;
        self.out.pending().push(record);
        Ok(())
    }

    /// Uses the tables' structure of the schema history at the stored position. An earlier run may have ended between the entry
    /// in the history and the record of the schema change topic: such a record is sent, at the risk that it is there already.
    pub(super) async fn recover(&mut self) -> Result<()> {
        if self.known.as_ref().is_none_or(|known| known.tables.is_empty()) {
            return Ok(());
        }
        // Take the connection before `known` is drained, so that nothing is lost if there is none.
        let mut client = self.pool.take().await?;
        let Some(known) = &mut self.known else { return Ok(()) };
        for table in self.settings.tables.captured(known.tables.drain().map(|(_, table)| table), |table| &table.id)? {
            self.schemas.set(&mut client, table).await?;
        }
        let unsent = std::mem::take(&mut known.unsent);
        client.give_back();
        let Some(at) = self.offset else { return Ok(()) };
        for (change, table) in self.settings.tables.captured(unsent, |(_, table)| &table.id)? {
            self.send_structure(&Structure::seen(change, table, SnapshotMark::False, at))?;
        }
        Ok(())
    }

    /// A captured table that the history does not have is a new table, unless records of the history were removed.
    pub(crate) fn refuse_forgotten(&self, instance: &ChangeTable) -> Result<()> {
        let position = self.offset.and_then(|offset| offset.commit);
        let Some(begins_at) = forgotten(self.known.as_ref(), instance, position) else { return Ok(()) };
        let topic = self.settings.history.as_ref().map_or("", |history| &history.topic);
        Err(Error::config_at(
            HistorySettings::TOPIC,
            format!(
                "the schema history topic {topic} begins at offset {begins_at}: its first records were removed, and with them the \
                 structure of {}; let the topic keep its records (retention.ms=-1, cleanup.policy=delete), and set \
                 snapshot.mode=recovery for one start",
                instance.source
            ),
        ))
    }

    /// Changes a table's structure from the current position on. Returns whether it is different.
    pub(crate) async fn alter(&mut self, client: &mut Client, table: &Table) -> Result<bool> {
        if self.schemas.get(&table.id).is_some_and(|schema| *schema.table == *table) {
            return Ok(false);
        }
        if let Some(at) = self.offset {
            let altered = Structure::seen(TableChange::Alter, table.clone(), SnapshotMark::False, at);
            self.record_structures(&[altered]).await?;
        }
        self.schemas.set(client, table.clone()).await?;
        Ok(true)
    }
}

/// The topic's first offset, if the table was captured before the position, so that removed records may have had its
/// structure.
fn forgotten(known: Option<&Known>, instance: &ChangeTable, position: Option<Lsn>) -> Option<i64> {
    known?.begins_at.filter(|_| instance.start <= position)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::TableId;

    #[test]
    fn a_table_that_was_captured_before_is_no_new_one_where_records_were_removed() {
        let lsn = |number| Lsn::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, number]);
        let source = TableId { database: "shop".into(), schema: "dbo".into(), name: "t".into() };
        let instance = ChangeTable {
            source,
            instance: "dbo_t".into(),
            object: 1,
            start: lsn(5),
            stop: None,
            columns: Arc::from([]),
            ordered: true,
        };
        let cut = Known { exists: true, begins_at: Some(3), ..Known::default() };
        let whole = Known { exists: true, ..Known::default() };
        assert_eq!(forgotten(Some(&cut), &instance, lsn(5)), Some(3));
        assert_eq!(forgotten(Some(&cut), &instance, lsn(4)), None, "it is a new one");
        assert_eq!(forgotten(Some(&whole), &instance, lsn(5)), None);
        assert_eq!(forgotten(None, &instance, lsn(5)), None);
    }
}
