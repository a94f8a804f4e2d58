use std::collections::HashMap;
use std::fmt;

use tributary_api::{Error, NewTopic, Result, SourcePartition, SourceTaskContext, Topic, TopicRecord, TopicWriter};

use super::TableChange;
use super::position::{is_at_or_before, may_be_unsent};
use super::record::{Change, Entry, Recorded};
use crate::config::HistorySettings;
use crate::offset::Offset;
use crate::table::{Table, TableId};

/// How many records are read at once.
const PAGE: usize = 500;

/// The tables of one database as the history describes them at a position.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) tables: HashMap<TableId, Table>,
    /// What was recorded of tables directly behind the position: the records that say so to others may not have been sent.
    pub(crate) unsent: Vec<(TableChange, Table)>,
    /// Whether the topic has any record, of whichever database.
    pub(crate) exists: bool,
    /// The offset of the topic's first record, if earlier ones were removed.
    pub(crate) begins_at: Option<i64>,
}

/// Reads the topic once and returns its state for each of these partitions and positions, in their order.
pub(crate) async fn read(
    cx: &SourceTaskContext,
    settings: &HistorySettings,
    wanted: &[(SourcePartition, Offset)],
) -> Result<Vec<Known>> {
    let unread = |error: Error| error.context(format!("cannot read the schema history, {settings}"));
    if cx.topic_reader(settings.reader(1)).await.map_err(unread)?.is_some() {
        return Err(Error::config_at(
            HistorySettings::TOPIC,
            format!(
                "the topic {} of the schema history has more than one partition: the order of its records is not defined: create it with one partition",
                settings.topic
            ),
        ));
    }
    let mut known = vec![Known::default(); wanted.len()];
    let Some(mut reader) = cx.topic_reader(settings.reader(0)).await.map_err(unread)? else { return Ok(known) };
    let mut first = None;
    loop {
        let page = reader.read(PAGE).await.map_err(unread)?;
        let Some((offset, _)) = page.first() else { break };
        first.get_or_insert(*offset);
        for (offset, record) in page {
            let at = |error: Error| unread(error.context(format!("at offset {offset}")));
            let Some(recorded) = record.value.map(|json| Recorded::from_json(&json)).transpose().map_err(at)?.flatten()
            else {
                tracing::warn!(topic = %settings.topic, offset, "a record of the schema history has no source or no position: it is skipped");
                continue;
            };
            apply(&mut known, wanted, recorded);
        }
    }
    for known in &mut known {
        known.exists = first.is_some();
        // If all records of a topic were removed, its beginning is its end.
        known.begins_at = first.or_else(|| Some(reader.end())).filter(|offset| *offset > 0);
    }
    Ok(known)
}

fn apply(known: &mut [Known], wanted: &[(SourcePartition, Offset)], recorded: Recorded) {
    let of = wanted.iter().position(|(partition, position)| {
        *partition == recorded.partition && is_at_or_before(recorded.position, *position)
    });
    let Some((known, (_, position))) = of.and_then(|place| known.get_mut(place).zip(wanted.get(place))) else { return };
    let unsent = recorded.seen && may_be_unsent(recorded.position, *position);
    for change in recorded.changes {
        let (Change::Is(_, Table { id, .. }) | Change::Gone(id)) = &change;
        known.unsent.retain(|(_, table)| table.id != *id);
        match change {
            Change::Is(kind, table) => {
                if unsent {
                    known.unsent.push((kind, table.clone()));
                }
                known.tables.insert(table.id.clone(), table);
            }
            Change::Gone(id) => drop(known.tables.remove(&id)),
        }
    }
}

/// Writes the history.
pub(crate) struct HistoryTopic {
    topic: Topic,
    settings: HistorySettings,
    writer: Box<dyn TopicWriter>,
}

impl HistoryTopic {
    /// Creates the topic if it does not exist: with one partition and unlimited retention.
    pub(crate) async fn open(cx: &SourceTaskContext, settings: &HistorySettings) -> Result<Self> {
        let topic = NewTopic::new(&*settings.topic)
            .partitions(1)
            .config("cleanup.policy", "delete")
            .config("retention.ms", i64::MAX.to_string())
            .config("retention.bytes", "-1");
        let options = settings.writer().topic(topic);
        let writer = cx.topic_writer(options).await;
        let writer = writer.map_err(|error| error.context(format!("cannot open the schema history, {settings}")))?;
        Ok(Self { topic: Topic::from(&*settings.topic), settings: settings.clone(), writer })
    }

    /// Returns when the broker has acknowledged the entries.
    pub(crate) async fn write(&self, entries: &[Entry<'_>]) -> Result<()> {
        let record = |entry: &Entry<'_>| TopicRecord::new(Topic::clone(&self.topic)).value(entry.to_json());
        let written = self.writer.write(entries.iter().map(record).collect()).await;
        written.map_err(|error| error.context(format!("cannot write the schema history, {}", self.settings)))
    }
}

impl fmt::Debug for HistoryTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryTopic").field("topic", &self.topic).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::history::TableChange;
    use crate::lsn::Lsn;
    use crate::offset;

    fn at(commit: u8) -> Offset {
        let lsn = Lsn::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, commit]);
        Offset { commit: lsn, change: lsn, serial: 1, ..Offset::NONE }
    }

    fn table(name: &str) -> Table {
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: name.into() };
        Table { id, columns: Vec::new(), key: Vec::new() }
    }

    #[test]
    fn a_database_gets_its_own_entries_up_to_its_position() {
        let (shop, other) = (offset::partition("server", "shop"), offset::partition("server", "other"));
        let wanted = [(shop.clone(), at(5)), (other.clone(), at(2))];
        let mut known = vec![Known::default(); 2];
        let mut record = |partition: &SourcePartition, commit, change| {
            let (partition, position) = (partition.clone(), at(commit));
            let recorded = Recorded { partition, position, seen: false, changes: vec![change] };
            apply(&mut known, &wanted, recorded);
        };
        record(&shop, 1, Change::Is(TableChange::Create, table("a")));
        record(&shop, 5, Change::Is(TableChange::Create, table("b")));
        record(&shop, 5, Change::Gone(table("a").id));
        record(&shop, 6, Change::Is(TableChange::Create, table("c")));
        record(&other, 3, Change::Is(TableChange::Create, table("d")));
        assert_eq!(known[0].tables.keys().collect::<Vec<_>>(), [&table("b").id]);
        assert_eq!(known[1].tables, HashMap::new());
    }

    #[test]
    fn what_was_seen_at_the_very_position_may_be_unsent() {
        let wanted = [(offset::partition("server", "shop"), at(5))];
        let mut known = vec![Known::default()];
        let mut record = |commit, seen, change| {
            let recorded =
                Recorded { partition: wanted[0].0.clone(), position: at(commit), seen, changes: vec![change] };
            apply(&mut known, &wanted, recorded);
        };
        let altered = |name: &str| Change::Is(TableChange::Alter, table(name));
        record(4, true, altered("before"));
        record(5, false, altered("by a signal"));
        record(5, true, Change::Is(TableChange::Create, table("new")));
        record(5, true, altered("twice"));
        record(5, true, altered("twice"));
        record(5, true, altered("gone"));
        record(5, true, Change::Gone(table("gone").id));
        record(6, true, altered("behind"));
        assert_eq!(known[0].unsent, [(TableChange::Create, table("new")), (TableChange::Alter, table("twice"))]);
    }
}
