use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Cursor, Message, PartitionId};

/// The last messages of an address, and who waits for the next one.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the last entry that has left.
    gone: u64,
    /// The last offset that has left, by partition; one partition, mostly.
    left: Vec<Cursor>,
    waiting: Vec<(u64, Arc<Notify>)>,
    /// When it was last used, in the hub's count.
    pub(super) touched: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// In the hub's count, which is one for all rings: so messages of two rings have one order.
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) message: Arc<Message>,
}

impl Ring {
    /// Adds a message at the end and wakes who waits. Answers with the bytes that left to make room.
    pub(super) fn push(&mut self, entry: Entry, max_messages: usize) -> usize {
        self.entries.push_back(entry);
        let mut freed = 0;
        while self.entries.len() > max_messages {
            freed += self.pop();
        }
        self.waiting.iter().for_each(|(_, waiting)| waiting.notify_one());
        freed
    }

    /// Removes all messages; answers with their bytes.
    pub(super) fn clear(&mut self) -> usize {
        let mut freed = 0;
        while !self.entries.is_empty() {
            freed += self.pop();
        }
        freed
    }

    fn pop(&mut self) -> usize {
        let Some(Entry { number, message, .. }) = self.entries.pop_front() else { return 0 };
        self.gone = number;
        let cursor = message.cursor;
        match self.left.iter_mut().find(|left| left.partition_id == cursor.partition_id) {
            Some(left) => left.offset = left.offset.max(cursor.offset),
            None => self.left.push(cursor),
        }
        message.json.len()
    }

    /// The number of the entry of a message, if it is here.
    pub(super) fn number_of(&self, cursor: Cursor) -> Option<u64> {
        self.entries.iter().rev().find(|entry| entry.message.cursor == cursor).map(|entry| entry.number)
    }

    /// The entries from a number on.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.entries.partition_point(|entry| entry.number < number)..)
    }

    /// The number of the last entry that has left.
    pub(super) fn gone(&self) -> u64 {
        self.gone
    }

    /// The last offset of a partition that has left.
    pub(super) fn left(&self, partition_id: PartitionId) -> Option<i64> {
        self.left.iter().find(|left| left.partition_id == partition_id).map(|left| left.offset)
    }

    /// All last offsets that have left.
    pub(super) fn all_left(&self) -> &[Cursor] {
        &self.left
    }

    pub(super) fn wait(&mut self, id: u64, notify: Arc<Notify>) {
        self.waiting.push((id, notify));
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.waiting.retain(|(other, _)| *other != id);
    }

    pub(super) fn subscribers(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
