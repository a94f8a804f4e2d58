use std::collections::VecDeque;

use super::page::{From, Key, Row};

/// Where the reading of one instance is.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The instance's place in the list.
    pub(super) instance: usize,
    pub(super) from: From,
    pub(super) rows: VecDeque<Row>,
    /// Whether there are no more pages.
    pub(super) ended: bool,
    /// The row before the first one of `rows`.
    previous: Option<Key>,
}

/// What the next row is to the one before it in its change table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first one, or behind it.
    Onward,
    /// Before it, in the same transaction: changes of a later command are told after those of an earlier one.
    Backwards,
}

impl Cursor {
    pub(super) fn new(instance: usize, from: From) -> Self {
        Self { instance, from, rows: VecDeque::new(), ended: false, previous: None }
    }

    /// Takes a page; less than was asked for is the last.
    pub(super) fn refill(&mut self, page: Vec<Row>, asked: usize) {
        self.ended = page.len() < asked;
        if let Some(last) = page.last() {
            self.from = From::Behind(last.key);
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
