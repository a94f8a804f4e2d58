use tributary_api::{Error, Result};

use super::Reader;
use crate::clock::{now_millis, now_nanos};
use crate::config::HistorySettings;
use crate::history::{Entry, Known, TableChange};
use crate::lsn::Lsn;
use crate::offset::Offset;
use crate::record::{SnapshotMark, Source, What};
use crate::sql::Client;
use crate::table::{ChangeTable, Table};

/// How Debezium writes a statement of which it sees the effect only.
const UNKNOWN_STATEMENT: &str = "N/A";

/// What a table looks like from a position on.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub(crate) change: TableChange,
    pub(crate) table: Table,
    pub(crate) mark: SnapshotMark,
    pub(crate) at: Offset,
}

impl Structure {
    fn ddl(&self) -> Option<&'static str> {
        (self.mark == SnapshotMark::False).then_some(UNKNOWN_STATEMENT)
    }
}

impl Reader {
    /// Keeps what tables look like in the history, and sends it, as far as either is asked for. The history comes first:
    /// when it cannot be written, nothing was told.
    pub(crate) async fn tell_of_structures(&mut self, structures: &[Structure]) -> Result<()> {
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
        let Structure { change, table, mark, at } = structure;
        // Between two changes a transaction may not be told to have ended yet.
        let told = *mark == SnapshotMark::False && self.records.transactions.is_some();
        let place = Source {
            table: &table.id,
            nanos: now_nanos(),
            snapshot: *mark,
            commit: at.commit,
            change: at.change,
            serial: (*mark == SnapshotMark::False).then_some(at.serial),
        };
        let what = What {
            change: *change,
            table,
            ddl: structure.ddl(),
            source: &self.records.source,
            place,
            partition: &self.records.partition,
            offset: &at.store_in(told.then_some(&self.transaction)),
        };
        let record = changes.record(what, &self.records.headers)?;
        self.out.pending().push(record);
        Ok(())
    }

    /// Takes what the history knows for what the tables looked like at the stored position.
    pub(super) async fn recover(&mut self) -> Result<()> {
        if self.known.as_ref().is_none_or(|known| known.tables.is_empty()) {
            return Ok(());
        }
        // First, so that nothing is forgotten when there is no connection.
        let mut client = self.pool.take().await?;
        let Some(known) = &mut self.known else { return Ok(()) };
        for (_, table) in known.tables.drain().filter(|(id, _)| self.settings.tables.captures(id)) {
            self.schemas.set(&mut client, table).await?;
        }
        client.give_back();
        Ok(())
    }

    /// A table that is captured and that the history does not know is a new one, unless the history has lost what it knew.
    pub(crate) fn refuse_forgotten(&self, instance: &ChangeTable) -> Result<()> {
        let position = self.offset.and_then(|offset| offset.commit);
        let Some(begins_at) = forgotten(self.known.as_ref(), instance, position) else { return Ok(()) };
        let topic = self.settings.history.as_ref().map_or("", |history| &history.topic);
        Err(Error::config_at(
            HistorySettings::TOPIC,
            format!(
                "the schema history topic {topic} begins at offset {begins_at}: its first records were removed, and what {} \
                 looked like with them; let the topic keep its records (retention.ms=-1, cleanup.policy=delete), and set \
                 snapshot.mode=recovery for one start",
                instance.source
            ),
        ))
    }

    /// The table's structure becomes that of the records from here on. Whether it is another one.
    pub(crate) async fn alter(&mut self, client: &mut Client, table: &Table) -> Result<bool> {
        if self.schemas.get(&table.id).is_some_and(|schema| *schema.table == *table) {
            return Ok(false);
        }
        if let Some(at) = self.offset {
            let (change, mark, table) = (TableChange::Alter, SnapshotMark::False, table.clone());
            self.tell_of_structures(&[Structure { change, table, mark, at }]).await?;
        }
        self.schemas.set(client, table.clone()).await?;
        Ok(true)
    }
}

/// Where the history begins, if it may have known a table that it does not know: one that was captured before the position.
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
