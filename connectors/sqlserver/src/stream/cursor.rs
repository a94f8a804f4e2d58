use std::collections::VecDeque;

use super::page::{Key, PageStart, Row};

/// The position of reading in one instance.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The instance's index in the list.
    pub(super) instance: usize,
    pub(super) from: PageStart,
    pub(super) rows: VecDeque<Row>,
    /// Whether the last page was read.
    pub(super) ended: bool,
    /// The key of the row that was taken last.
    previous: Option<Key>,
}

/// How the next row follows the one before it in its change table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the first row, or its position is not lower than that of the row before.
    Onward,
    /// Its position is lower within the same transaction, which happens because rows are read in the order of commands
    /// first.
    Backwards,
}

impl Cursor {
    pub(super) fn new(instance: usize, from: PageStart) -> Self {
        Self { instance, from, rows: VecDeque::new(), ended: false, previous: None }
    }

    /// Adds a page. A page with fewer rows than `asked` is the last one.
    pub(super) fn refill(&mut self, page: Vec<Row>, asked: usize) {
        self.ended = page.len() < asked;
        if let Some(last) = page.last() {
            self.from = PageStart::Behind(last.key);
        }
        self.rows.extend(page);
    }

    pub(super) fn needs_page(&self) -> bool {
        self.rows.is_empty() && !self.ended
    }

    pub(super) fn head(&self) -> Option<Key> {
        self.rows.front().map(|row| row.key)
    }

    pub(super) fn step(&self) -> Step {
        match (self.previous, self.head()) {
            (Some(before), Some(now)) if (now.commit, now.change) < (before.commit, before.change) => Step::Backwards,
            _ => Step::Onward,
        }
    }

    pub(super) fn take(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.previous = Some(row.key);
        Some(row)
    }
}
