//! Offsets in Debezium's format.

use std::sync::Arc;

use tributary_api::{OffsetMap, OffsetValue, SourceOffset, SourcePartition};

use crate::lsn::Lsn;
use crate::transaction::Transaction;

/// How Debezium writes an unknown position.
const NULL: &str = "NULL";
const INITIAL: &str = "INITIAL";
const INCREMENTAL: &str = "INCREMENTAL";
const BLOCKING: &str = "BLOCKING";
/// Members that Debezium does not have. Debezium ignores and drops them.
const ROWS: &str = "commit_row_no";
const ROWS_OF: &str = "commit_row_of";

/// The source partition of a database. Java compares stored keys as bytes, so the order of the members matters.
pub(crate) fn partition(server: &str, database: &str) -> SourcePartition {
    OffsetMap::new([("server", server.into()), ("database", database.into())])
}

/// The source partition that Debezium's single-database versions used.
pub(crate) fn old_partition(server: &str) -> SourcePartition {
    OffsetMap::new([("server", server.into())])
}

/// What offsets have beside the position, shared by those of all records until it changes.
pub(crate) type Members = Arc<[(String, OffsetValue)]>;

/// A position in the changes of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    pub(crate) commit: Option<Lsn>,
    pub(crate) change: Option<Lsn>,
    /// How many events of this commit and change were sent.
    pub(crate) serial: i64,
    /// The rows of this commit that were read. Set where commit and change do not identify a position: if the changes
    /// of a commit are not sorted by their sequence values, a pair of both can occur twice. Offsets of Debezium never
    /// have it.
    pub(crate) rows: Option<CommitRows>,
    pub(crate) snapshot: Snapshot,
}

/// A number of rows from the start of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitRows {
    pub(crate) count: i64,
    /// Identifies the change tables and the order of the rows: for others the number is meaningless.
    pub(crate) fingerprint: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// The offset belongs to a change.
    No,
    Running,
    Completed,
    /// The offset is of a row of an incremental snapshot, at the place of the changes. `completed`: they began behind an
    /// initial one.
    Incremental {
        completed: bool,
    },
    /// The offset is of a row of a blocking snapshot, at the place of the changes that wait for it.
    Blocking {
        completed: bool,
    },
}

impl Offset {
    /// Before the first change.
    pub(crate) const NONE: Self = Self { commit: None, change: None, serial: 0, rows: None, snapshot: Snapshot::No };

    /// The position of a snapshot, after which changes are read.
    pub(crate) fn of_snapshot(commit: Option<Lsn>, snapshot: Snapshot) -> Self {
        Self { commit, change: None, serial: 1, rows: None, snapshot }
    }

    pub(crate) fn load(stored: &SourceOffset) -> Self {
        let lsn = |name: &str| stored.string(name).and_then(Lsn::parse);
        let completed = matches!(stored.get("snapshot_completed"), Some(OffsetValue::Boolean(true)));
        let snapshot = match stored.get("snapshot") {
            // They do not say where changes begin: the position does.
            Some(OffsetValue::String(text)) if [INCREMENTAL, BLOCKING].contains(&&**text) => {
                if completed && lsn("change_lsn").is_none() { Snapshot::Completed } else { Snapshot::No }
            }
            _ if completed => Snapshot::Completed,
            // Older versions wrote only whether a snapshot was running.
            Some(OffsetValue::Boolean(true)) => Snapshot::Running,
            Some(OffsetValue::String(text)) if !text.eq_ignore_ascii_case("false") => Snapshot::Running,
            _ => Snapshot::No,
        };
        Self {
            commit: lsn("commit_lsn"),
            change: lsn("change_lsn"),
            serial: stored.int("event_serial_no").unwrap_or(0),
            rows: stored
                .int(ROWS)
                .zip(stored.int(ROWS_OF))
                .map(|(count, fingerprint)| CommitRows { count, fingerprint }),
            snapshot,
        }
    }

    pub(crate) fn store(&self) -> SourceOffset {
        let lsn = |lsn: Option<Lsn>| lsn.map_or_else(|| OffsetValue::from(NULL), |lsn| lsn.text().into());
        let change = ("change_lsn", lsn(self.change));
        let commit = ("commit_lsn", lsn(self.commit));
        let serial = ("event_serial_no", self.serial.into());
        if self.snapshot == Snapshot::No {
            return match self.rows {
                None => OffsetMap::new([change, commit, serial]),
                Some(CommitRows { count, fingerprint }) => {
                    OffsetMap::new([change, commit, serial, (ROWS, count.into()), (ROWS_OF, fingerprint.into())])
                }
            };
        }
        let (kind, completed) = match self.snapshot {
            Snapshot::Incremental { completed } => (INCREMENTAL, completed),
            Snapshot::Blocking { completed } => (BLOCKING, completed),
            other => (INITIAL, other == Snapshot::Completed),
        };
        OffsetMap::new([change, commit, serial, ("snapshot", kind.into()), ("snapshot_completed", completed.into())])
    }

    /// The stored form, with the state of the transaction that the position is in, and with the members `more`.
    pub(crate) fn store_in(&self, transaction: Option<&Transaction>, more: Option<&Members>) -> SourceOffset {
        let stored = self.store();
        let transaction = transaction.filter(|transaction| transaction.is_open());
        if transaction.is_none() && more.is_none() {
            return stored;
        }
        let members = stored.iter().map(|(name, value)| (name.to_owned(), value.clone()));
        let of_transaction = transaction.into_iter().flat_map(Transaction::store);
        members.chain(of_transaction).chain(more.into_iter().flat_map(|more| more.iter().cloned())).collect()
    }

    /// The offset after a change that counts as `events` events.
    pub(crate) fn moved(&self, commit: Lsn, change: Lsn, events: i64) -> Self {
        let same = self.commit == Some(commit) && self.change == Some(change);
        let serial = if same { self.serial + events } else { events };
        Self { commit: Some(commit), change: Some(change), serial, rows: None, snapshot: Snapshot::No }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn json(offset: &Offset) -> String {
        serde_json::to_string(&offset.store()).unwrap()
    }

    fn load(json: &str) -> Offset {
        Offset::load(&serde_json::from_str(json).unwrap())
    }

    fn lsn(text: &str) -> Lsn {
        Lsn::parse(text).unwrap()
    }

    const RUNNING: &str = r#"{"change_lsn":"NULL","commit_lsn":"00000025:00000d98:00a2","event_serial_no":1,"snapshot":"INITIAL","snapshot_completed":false}"#;
    const STREAMING: &str =
        r#"{"change_lsn":"00000025:00000d98:0003","commit_lsn":"00000025:00000d98:00a2","event_serial_no":2}"#;

    #[test]
    fn offsets_are_debeziums_to_the_byte() {
        let at = lsn("00000025:00000d98:00a2");
        let running = Offset::of_snapshot(Some(at), Snapshot::Running);
        assert_eq!(json(&running), RUNNING);
        let completed = Offset::of_snapshot(Some(at), Snapshot::Completed);
        assert_eq!(json(&completed), RUNNING.replace("false", "true"));
        assert_eq!(json(&running.moved(at, lsn("00000025:00000d98:0003"), 2)), STREAMING);
        let key = serde_json::to_string(&partition("server1", "shop")).unwrap();
        assert_eq!(key, r#"{"server":"server1","database":"shop"}"#);
    }

    #[test]
    fn what_was_stored_is_read_again() {
        for stored in [RUNNING, STREAMING] {
            assert_eq!(json(&load(stored)), stored);
        }
        assert_eq!(load(RUNNING).change, None);
        assert_eq!(load(r#"{"commit_lsn":null}"#).commit, None);
        assert_eq!(load(r#"{"commit_lsn":"00000025:00000d98:00a2","snapshot":true}"#).snapshot, Snapshot::Running);
        assert_eq!(load(r#"{"commit_lsn":"00000025:00000d98:00a2","snapshot":"false"}"#).snapshot, Snapshot::No);
    }

    #[test]
    fn events_of_one_position_are_counted() {
        let (commit, change) = (lsn("00000025:00000d98:00a2"), lsn("00000025:00000d98:0003"));
        let offset = load(STREAMING);
        assert_eq!(offset.moved(commit, change, 1).serial, 3);
        assert_eq!(offset.moved(commit, lsn("00000025:00000d98:0004"), 1).serial, 1);
    }
}
