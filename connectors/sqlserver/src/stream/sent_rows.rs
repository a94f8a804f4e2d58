//! Which changes were already sent before a restart.

use sha2::{Digest, Sha256};

use super::page::Key;
use crate::lsn::Lsn;
use crate::offset::{CommitRows, Offset};

/// Compares the rows that are read again with the stored position.
#[derive(Debug)]
pub(super) struct SentRows {
    stored: Option<Offset>,
    /// Counts the events at the stored position that were read again.
    events_read_again: i64,
    /// The current commit, and how many of its rows were read.
    commit: Lsn,
    rows: i64,
    /// The fingerprint of these rows, if it was needed.
    fingerprint: Option<i64>,
}

impl SentRows {
    pub(super) fn new(stored: Option<Offset>) -> Self {
        Self { stored, events_read_again: 1, commit: Lsn::ZERO, rows: 0, fingerprint: None }
    }

    /// Starts to count anew if the commit is a new one. Returns whether it is.
    pub(super) fn enter(&mut self, commit: Lsn) -> bool {
        let other = self.commit != commit;
        if other {
            (self.commit, self.rows, self.fingerprint) = (commit, 0, None);
        }
        other
    }

    /// Counts rows of the current commit.
    pub(super) fn count(&mut self, rows: i64) {
        self.rows += rows;
    }

    /// The number of rows of the current commit, as an offset stores it.
    pub(super) fn rows(&mut self, fingerprint_of: impl FnOnce(Lsn) -> i64) -> CommitRows {
        CommitRows {
            count: self.rows,
            fingerprint: *self.fingerprint.get_or_insert_with(|| fingerprint_of(self.commit)),
        }
    }

    /// The number of rows that the stored position has for a commit.
    pub(super) fn counted(&self, commit: Lsn) -> Option<CommitRows> {
        self.stored.filter(|stored| stored.commit == Some(commit))?.rows
    }

    /// Whether a row was already sent: it is below the stored position, or one of the events that were counted at it. If
    /// the order went backwards, only the number of rows in the commit decides. An offset without that number was stored
    /// by Debezium or before the order went backwards.
    pub(super) fn has(&mut self, key: Key, backwards: bool) -> bool {
        let Some(stored) = self.stored else { return false };
        if let Some(sent) = self.counted(key.commit) {
            return self.rows < sent.count;
        }
        if backwards {
            return false;
        }
        let (row, position) = ((Some(key.commit), Some(key.change)), (stored.commit, stored.change));
        if row == position && self.events_read_again <= stored.serial {
            self.events_read_again += 1;
            return true;
        }
        row < position
    }
}

/// A number that identifies change tables, whether the rows of each are sorted by command, and the skipped operations.
pub(super) fn fingerprint(tables: &[(i64, bool)], skipped: &[i64]) -> i64 {
    let mut hash = Sha256::new();
    for (object, ordered) in tables {
        hash.update(object.to_be_bytes());
        hash.update([u8::from(*ordered)]);
    }
    hash.update([2]);
    for operation in skipped {
        hash.update(operation.to_be_bytes());
    }
    let first = hash.finalize().first_chunk().map_or([0; 8], |first: &[u8; 8]| *first);
    // Every JSON parser keeps 53 bits exactly.
    i64::from_be_bytes(first) & ((1 << 53) - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::offset::Snapshot;

    #[test]
    fn rows_below_the_stored_position_and_the_counted_events_at_it_were_sent() {
        let stored =
            Offset { commit: Some(Lsn::numbered(5)), change: Some(Lsn::numbered(3)), serial: 2, ..Offset::NONE };
        let mut before = SentRows::new(Some(stored));
        let mut sent = |commit, change| before.has(Key::of_insert(commit, change), false);
        assert!(sent(4, 9));
        assert!(sent(5, 2));
        assert!(sent(5, 3));
        assert!(sent(5, 3));
        assert!(!sent(5, 3));
        assert!(!sent(5, 4));
        assert!(!sent(6, 1));
    }

    #[test]
    fn a_position_without_a_change_is_before_all_of_its_commit() {
        let mut before = SentRows::new(Some(Offset::of_snapshot(Some(Lsn::numbered(5)), Snapshot::Completed)));
        assert!(!before.has(Key::of_insert(5, 1), false));
        assert!(before.has(Key::of_insert(4, 1), false));
    }

    #[test]
    fn where_the_order_went_backwards_rows_are_counted() {
        let rows = CommitRows { count: 3, fingerprint: 7 };
        let stored = Offset {
            commit: Some(Lsn::numbered(5)),
            change: Some(Lsn::numbered(1)),
            serial: 1,
            rows: Some(rows),
            ..Offset::NONE
        };
        let sent = |commit, rows, backwards| {
            let mut before = SentRows::new(Some(stored));
            before.count(rows);
            before.has(Key::of_insert(commit, 9), backwards)
        };
        assert!(sent(5, 0, false) && sent(5, 2, true));
        assert!(!sent(5, 3, true) && !sent(6, 0, false));
        let mut without = SentRows::new(Some(Offset { rows: None, ..stored }));
        assert!(!without.has(Key::of_insert(5, 1), true), "nothing is taken for sent");
    }

    #[test]
    fn other_tables_orders_and_operations_have_other_fingerprints() {
        let all = [
            fingerprint(&[(1, true), (2, true)], &[]),
            fingerprint(&[(1, true)], &[]),
            fingerprint(&[(1, false), (2, true)], &[]),
            fingerprint(&[(1, true), (2, true)], &[1]),
            fingerprint(&[(1, true), (2, true)], &[2]),
        ];
        let mut known = all.to_vec();
        known.sort_unstable();
        known.dedup();
        assert_eq!(known.len(), all.len());
    }
}
