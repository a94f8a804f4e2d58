use std::collections::VecDeque;
use std::sync::Arc;

use bytestring::ByteString;
use tributary_api::{OffsetValue, Result, SourceOffset};
use uuid::Uuid;

use super::collection::{self, Collection};
use super::java;
use super::key::KeyPart;
use super::key_column::Key;
use super::window::Window;
use crate::offset::Members;
use crate::table::{Table, TableId, joined};

const COLLECTIONS: &str = "incremental_snapshot_collections";
const MAXIMUM: &str = "incremental_snapshot_maximum_key";
const SENT: &str = "incremental_snapshot_primary_key";
const CORRELATION: &str = "incremental_snapshot_correlation_id";
/// Members that Debezium does not have. Debezium ignores and drops them.
const SIGNALS: &str = "signal_offset";
const KEY_COLUMNS: &str = "snapshot_key_columns";

/// The state of an incremental snapshot. Without tables there is no snapshot.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The tables left to read; the first one is being read.
    collections: VecDeque<Collection>,
    /// The tables as they are stored in offsets, which share it: there can be many tables.
    listed: ByteString,
    /// The signal that requested the last of them.
    correlation: Option<String>,
    /// Identifies the chunk whose rows are in the window.
    pub(super) chunk: Option<String>,
    /// Whether the stream is between the two rows in the signal table.
    pub(super) open: bool,
    pub(super) window: Window,
    /// The last key in the window.
    pub(super) end: Option<Vec<KeyPart>>,
    /// The last key that was sent.
    sent: Option<Vec<KeyPart>>,
    /// The last key that the table had when its reading began.
    pub(super) maximum: Option<Vec<KeyPart>>,
    /// The columns that these keys are of. `None` if Debezium stored the keys.
    key_columns: Option<String>,
    pub(super) paused: bool,
    /// The tables to stop before the next chunk.
    pub(super) stops: Vec<TableId>,
    /// How often reading the next chunk failed because of its table.
    pub(super) failures: u32,
    /// The table's structure in the window, if it is newer than the structure that changes are read with.
    pub(super) altered: Option<Arc<Table>>,
    /// How many rows of the current table were read.
    pub(super) scanned: u64,
    /// Whether the position was reached by an initial snapshot, which offsets record.
    pub(crate) after_snapshot: bool,
    /// The offset of the last signal in the signal topic that was followed.
    signals: Option<i64>,
    stored: Option<Members>,
}

impl Progress {
    /// # Errors
    /// If the offset has an invalid list of tables.
    pub(crate) fn load(stored: &SourceOffset) -> Result<Self> {
        let key = |name: &str| stored.string(name).map_or(Ok(None), java::from_text);
        let (sent, maximum) = match key(SENT).and_then(|sent| Ok((sent, key(MAXIMUM)?))) {
            Ok(keys) => keys,
            // Debezium stores keys of more types.
            Err(error) => {
                tracing::warn!(%error, "the incremental snapshot begins its table again: a key of the offset cannot be read");
                (None, None)
            }
        };
        let collections = stored.string(COLLECTIONS).map(collection::from_json).transpose()?.unwrap_or_default();
        let mut progress = Self {
            collections: collections.into(),
            correlation: stored.string(CORRELATION).map(str::to_owned),
            end: sent.clone(),
            sent,
            maximum,
            key_columns: stored.string(KEY_COLUMNS).map(str::to_owned),
            after_snapshot: matches!(stored.get("snapshot_completed"), Some(OffsetValue::Boolean(true))),
            signals: followed_signal(stored),
            ..Self::default()
        };
        progress.list();
        Ok(progress)
    }

    /// The members that the snapshot adds to an offset; `None` if it adds none.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.stored.as_ref()
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.collections.is_empty()
    }

    pub(super) fn current(&self) -> Option<&Collection> {
        self.collections.front()
    }

    /// Whether the window has rows of this table, and changes that are read now are newer than these.
    pub(crate) fn watches(&self, table: &TableId) -> bool {
        self.open && self.holds(table)
    }

    /// Whether the window has rows of this table.
    pub(super) fn holds(&self, table: &TableId) -> bool {
        !self.window.is_empty() && self.current().is_some_and(|current| current.id == *table)
    }

    pub(super) fn correlation(&self) -> Option<&str> {
        self.correlation.as_deref()
    }

    /// The names of the tables, separated by commas, for notifications.
    pub(super) fn names(&self) -> String {
        joined(self.tables())
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &TableId> {
        self.collections.iter().map(|collection| &collection.id)
    }

    /// Writes the name of the current table as the server does.
    pub(super) fn rename_current(&mut self, id: &TableId) {
        if let Some(current) = self.collections.front_mut().filter(|current| current.id != *id) {
            current.id = id.clone();
            self.list();
        }
    }

    pub(super) fn add(&mut self, signal: &str, collections: Vec<Collection>) {
        self.collections.extend(collections);
        self.correlation = Some(signal.to_owned());
        self.list();
    }

    /// Removes a table that is not the current one. Returns whether it was listed.
    pub(super) fn remove(&mut self, id: &TableId) -> bool {
        let before = self.collections.len();
        let mut place = 0;
        self.collections.retain(|collection| {
            place += 1;
            place == 1 || collection.id != *id
        });
        self.list();
        self.collections.len() < before
    }

    /// Continues with the next table. The signal is kept until the last of its notifications is sent.
    pub(super) fn next(&mut self) {
        self.collections.pop_front();
        self.begin_table();
        self.list();
    }

    /// Whether the rows of the current table that were read so far were read by this key.
    pub(super) fn is_read_by(&self, key: &Key) -> bool {
        if self.maximum.is_none() {
            return true;
        }
        match &self.key_columns {
            Some(columns) => *columns == key.described(),
            None => [&self.maximum, &self.sent].into_iter().flatten().all(|parts| key.holds(parts)),
        }
    }

    /// Starts the current table again from its first row.
    pub(super) fn begin_table(&mut self) {
        self.window.clear();
        (self.end, self.sent, self.maximum, self.key_columns) = (None, None, None, None);
        self.scanned = 0;
        self.failures = 0;
        self.altered = None;
        self.store();
    }

    pub(super) fn finish(&mut self) {
        self.correlation = None;
        self.paused = false;
        self.store();
    }

    /// Starts a chunk after the last sent key: rows in the window are read again.
    pub(crate) fn revert(&mut self) {
        self.window.clear();
        self.altered = None;
        self.open = false;
        self.chunk = None;
        self.end.clone_from(&self.sent);
    }

    pub(super) fn begin_chunk(&mut self) -> String {
        let id = Uuid::new_v4().to_string();
        self.open = false;
        self.chunk = Some(id.clone());
        id
    }

    /// Sets the last key of the current table, and the columns that it is read by.
    pub(super) fn set_maximum(&mut self, last: Vec<KeyPart>, key: &Key) {
        self.maximum = Some(last);
        self.key_columns = Some(key.described());
        self.store();
    }

    pub(super) fn sent(&mut self, key: Vec<KeyPart>) {
        self.sent = Some(key);
        self.store();
    }

    /// Whether a row of the signal table belongs to the current chunk. After a restart, rows of earlier chunks are read
    /// again.
    pub(super) fn is_of_chunk(&self, id: &str) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| id.starts_with(chunk.as_str()))
    }

    /// The offset of the last signal in the signal topic that was followed.
    pub(crate) fn signals(&self) -> Option<i64> {
        self.signals
    }

    pub(crate) fn set_signals(&mut self, offset: i64) {
        self.signals = Some(offset);
        self.store();
    }

    /// Stores the tables after they have changed.
    fn list(&mut self) {
        self.listed = collection::to_json(self.collections.iter()).into();
        self.store();
    }

    fn store(&mut self) {
        let mut members = Vec::new();
        let mut put = |name: &str, value: OffsetValue| members.push((name.to_owned(), value));
        if self.is_running() {
            put(COLLECTIONS, self.listed.clone().into());
            let correlation = self.correlation.clone().map_or(OffsetValue::Null, OffsetValue::from);
            put(CORRELATION, correlation);
            put(MAXIMUM, java::to_text(self.maximum.as_deref()).into());
            put(SENT, java::to_text(self.sent.as_deref()).into());
            if let Some(names) = &self.key_columns {
                put(KEY_COLUMNS, names.as_str().into());
            }
        }
        if let Some(signals) = self.signals {
            put(SIGNALS, signals.into());
        }
        self.stored = (!members.is_empty()).then(|| Arc::from(members));
    }
}

/// The offset of the last signal in the signal topic that was followed, according to a stored offset.
pub(crate) fn followed_signal(stored: &SourceOffset) -> Option<i64> {
    stored.int(SIGNALS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::key_column::key_column;
    use super::*;

    fn key(name: &str, type_name: &str) -> Key {
        Key { columns: vec![key_column(name, type_name, 4, 0, 0)], unique: true }
    }

    fn collection(name: &str) -> Collection {
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: name.into() };
        Collection { id, condition: None, surrogate: None }
    }

    fn stored(progress: &Progress) -> SourceOffset {
        progress.members().unwrap().iter().cloned().collect()
    }

    #[test]
    fn what_is_stored_is_gone_on_with_behind_what_was_sent() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a"), collection("b")]);
        progress.set_maximum(vec![KeyPart::Int(9)], &key("id", "int"));
        progress.end = Some(vec![KeyPart::Int(5)]);
        progress.sent(vec![KeyPart::Int(4)]);
        let loaded = Progress::load(&stored(&progress)).unwrap();
        assert_eq!(loaded.names(), "shop.dbo.a,shop.dbo.b");
        assert_eq!(loaded.end, Some(vec![KeyPart::Int(4)]), "behind what was sent, not behind what was read");
        assert_eq!(loaded.correlation(), Some("signal-1"));
        // An offset has the same members until the next row is sent.
        assert_eq!(stored(&loaded), stored(&progress));
    }

    /// With many tables a copy in the offset of each record would take more memory than the records.
    #[test]
    fn offsets_share_the_list_of_tables() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a"), collection("b")]);
        let before = stored(&progress);
        progress.sent(vec![KeyPart::Int(4)]);
        let list = |offset: &SourceOffset| offset.string(COLLECTIONS).unwrap().as_ptr();
        assert_eq!(list(&before), list(&stored(&progress)));
    }

    #[test]
    fn a_complete_one_leaves_nothing_in_offsets() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a")]);
        progress.next();
        progress.finish();
        assert_eq!(progress.members(), None);
        progress.set_signals(7);
        assert_eq!(stored(&progress).int("signal_offset"), Some(7));
        assert!(!Progress::load(&stored(&progress)).unwrap().is_running());
    }

    #[test]
    fn the_current_table_is_not_left_out_with_the_others() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a"), collection("b"), collection("a")]);
        assert!(progress.remove(&collection("b").id));
        assert!(!progress.remove(&collection("c").id));
        assert!(progress.remove(&collection("a").id), "the second time that it is asked for");
        assert_eq!(progress.names(), "shop.dbo.a");
    }

    #[test]
    fn keys_of_other_columns_are_not_compared() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a")]);
        assert!(progress.is_read_by(&key("id", "int")), "before anything is read");
        progress.set_maximum(vec![KeyPart::Int(9)], &key("id", "int"));
        progress.sent(vec![KeyPart::Int(4)]);
        let mut loaded = Progress::load(&stored(&progress)).unwrap();
        for progress in [&progress, &loaded] {
            assert!(progress.is_read_by(&key("id", "int")));
            assert!(!progress.is_read_by(&key("other", "int")));
        }
        assert!(!loaded.is_read_by(&key("id", "varchar")), "it has another type now");
        loaded.begin_table();
        assert!(loaded.is_read_by(&key("other", "varchar")) && loaded.end.is_none() && loaded.maximum.is_none());
        // Debezium stores no names.
        let debeziums: SourceOffset = stored(&progress)
            .iter()
            .filter(|(name, _)| *name != KEY_COLUMNS)
            .map(|(n, v)| (n.to_owned(), v.clone()))
            .collect();
        let loaded = Progress::load(&debeziums).unwrap();
        assert!(loaded.is_read_by(&key("id", "int")) && !loaded.is_read_by(&key("id", "date")));
    }

    #[test]
    fn a_key_that_cannot_be_read_begins_its_table_again() {
        let mut progress = Progress::default();
        progress.add("signal-1", vec![collection("a"), collection("b")]);
        progress.set_maximum(vec![KeyPart::Int(9)], &key("id", "int"));
        let with = |name: &str, text: &str| {
            let members = stored(&progress);
            let members = members.iter().filter(|(known, _)| *known != name);
            let members = members.map(|(name, value)| (name.to_owned(), value.clone()));
            let offset: SourceOffset = members.chain([(name.to_owned(), text.into())]).collect();
            Progress::load(&offset).unwrap()
        };
        for name in [MAXIMUM, SENT] {
            let loaded = with(name, "aced00057372001b6d6963726f736f66742e73716c2e4461746554696d654f6666736574");
            assert_eq!((loaded.names(), &loaded.maximum, &loaded.sent), (progress.names(), &None, &None), "{name}");
        }
    }
}
