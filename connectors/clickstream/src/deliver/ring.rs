use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Cursor, Message, PartitionId};

/// The last messages of an address, and the subscriptions that wait for the next one.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the last evicted entry.
    last_evicted: u64,
    /// The last evicted offset of each partition; usually there is one partition.
    evicted: Vec<Cursor>,
    waiting: Vec<(u64, Arc<Notify>)>,
    /// When it was last used, by the hub's counter.
    pub(super) last_used: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// From the hub's counter, which is the same for all rings, so that messages of two rings have a common order.
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) message: Arc<Message>,
}

impl Ring {
    /// Adds a message and wakes waiting subscriptions. Returns the bytes that were evicted for it.
    pub(super) fn push(&mut self, entry: Entry, max_messages: usize) -> usize {
        self.entries.push_back(entry);
        let mut freed = 0;
        while self.entries.len() > max_messages {
            freed += self.pop();
        }
        self.waiting.iter().for_each(|(_, waiting)| waiting.notify_one());
        freed
    }

    /// Removes all messages; returns their bytes.
    pub(super) fn clear(&mut self) -> usize {
        let mut freed = 0;
        while !self.entries.is_empty() {
            freed += self.pop();
        }
        freed
    }

    fn pop(&mut self) -> usize {
        let Some(Entry { number, message, .. }) = self.entries.pop_front() else { return 0 };
        self.last_evicted = number;
        let cursor = message.cursor;
        match self.evicted.iter_mut().find(|left| left.partition_id == cursor.partition_id) {
            Some(left) => left.offset = left.offset.max(cursor.offset),
            None => self.evicted.push(cursor),
        }
        message.json.len()
    }

    /// The number of a message's entry, if it is in the ring.
    pub(super) fn number_of(&self, cursor: Cursor) -> Option<u64> {
        self.entries.iter().rev().find(|entry| entry.message.cursor == cursor).map(|entry| entry.number)
    }

    /// The entries from a number.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.entries.partition_point(|entry| entry.number < number)..)
    }

    /// The number of the last entry that has left.
    pub(super) fn last_evicted(&self) -> u64 {
        self.last_evicted
    }

    /// The last evicted offset of a partition.
    pub(super) fn evicted(&self, partition_id: PartitionId) -> Option<i64> {
        self.evicted.iter().find(|left| left.partition_id == partition_id).map(|left| left.offset)
    }

    /// The last evicted offsets of all partitions.
    pub(super) fn all_evicted(&self) -> &[Cursor] {
        &self.evicted
    }

    pub(super) fn wait(&mut self, id: u64, notify: Arc<Notify>) {
        self.waiting.push((id, notify));
    }

    pub(super) fn remove_subscriber(&mut self, id: u64) {
        self.waiting.retain(|(other, _)| *other != id);
    }

    pub(super) fn subscribers(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
