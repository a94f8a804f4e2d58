//! Marks the rows of a snapshot that come from several connections.

use crate::record::SnapshotMark;

/// Keeps rows back until it is known how they are marked: the first row of all goes before every other one, the last row
/// of a table after its others, and the last row of all at the end.
#[derive(Debug)]
pub(super) struct SnapshotMarker<T> {
    tables: Vec<TableState<T>>,
    begun: bool,
    first: Option<T>,
    last: Option<T>,
}

#[derive(Debug)]
struct TableState<T> {
    /// Parts that are not read to their end.
    parts: usize,
    begun: bool,
    held: Option<(T, SnapshotMark)>,
}

impl<T> SnapshotMarker<T> {
    /// For tables of so many parts.
    pub(super) fn new(parts: impl Iterator<Item = usize>) -> Self {
        let of_table = |parts| TableState { parts, begun: false, held: None };
        Self { tables: parts.map(of_table).collect(), begun: false, first: None, last: None }
    }

    /// Takes a row of a table, and gives those whose marks are known now, in order.
    pub(super) fn add(&mut self, table: usize, row: T) -> impl Iterator<Item = (T, SnapshotMark)> + use<T> {
        let first = self.first.take().map(|first| (first, SnapshotMark::First));
        let mut before = None;
        if let Some(of) = self.tables.get_mut(table) {
            let mark = if of.begun { SnapshotMark::True } else { SnapshotMark::FirstInDataCollection };
            of.begun = true;
            if self.begun {
                before = of.held.replace((row, mark));
            } else {
                self.begun = true;
                self.first = Some(row);
            }
        }
        first.into_iter().chain(before)
    }

    /// A part of a table is read to its end. Gives the row that is known not to be the last of all now.
    pub(super) fn part_ends(&mut self, table: usize) -> Option<(T, SnapshotMark)> {
        let of = self.tables.get_mut(table)?;
        of.parts = of.parts.saturating_sub(1);
        if of.parts > 0 {
            return None;
        }
        let (row, _) = of.held.take()?;
        self.last.replace(row).map(|before| (before, SnapshotMark::LastInDataCollection))
    }

    pub(super) fn is_read(&self, table: usize) -> bool {
        self.tables.get(table).is_none_or(|of| of.parts == 0)
    }

    pub(super) fn unread_tables(&self) -> usize {
        self.tables.iter().filter(|of| of.parts > 0).count()
    }

    /// The last row of all, when all parts are read.
    pub(super) fn end(self) -> Option<T> {
        self.first.or(self.last)
    }
}

#[cfg(test)]
mod tests {
    use SnapshotMark::{First, FirstInDataCollection, LastInDataCollection, True};

    use super::*;

    #[test]
    fn the_first_row_goes_first_and_the_last_one_of_a_table_after_its_others() {
        let mut marker = SnapshotMarker::new([2, 1].into_iter());
        let mut sent = Vec::new();
        sent.extend(marker.add(0, "a1"));
        sent.extend(marker.add(1, "b1"));
        sent.extend(marker.add(0, "a2"));
        sent.extend(marker.part_ends(0));
        sent.extend(marker.add(1, "b2"));
        sent.extend(marker.part_ends(1));
        sent.extend(marker.add(0, "a3"));
        sent.extend(marker.part_ends(0));
        let expected = [("a1", First), ("b1", FirstInDataCollection), ("a2", True), ("b2", LastInDataCollection)];
        assert_eq!(sent, expected);
        assert_eq!(marker.unread_tables(), 0);
        assert_eq!(marker.end(), Some("a3"));
    }

    #[test]
    fn the_only_row_is_the_last() {
        let mut marker = SnapshotMarker::new([1, 1].into_iter());
        assert_eq!(marker.add(1, "only").count(), 0);
        assert!(marker.part_ends(0).is_none() && marker.part_ends(1).is_none());
        assert_eq!(marker.end(), Some("only"));
    }
}
