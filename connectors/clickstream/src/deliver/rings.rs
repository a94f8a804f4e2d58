use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::Address;
use super::hub::HubLimits;
use super::message::{Cursor, Message, PartitionId};
use super::ring::{Entry as RingEntry, Ring};
use crate::http::Client;

/// All rings, and the offset ranges of the partitions they were filled from.
#[derive(Debug, Default)]
pub(super) struct Rings {
    rings: HashMap<Address, Ring>,
    /// Rings without subscriptions, by when they were last used: the first is evicted first.
    idle: BTreeMap<u64, Address>,
    partitions: HashMap<PartitionId, SeenRange>,
    bytes: usize,
    subscribers: usize,
    /// The number of subscriptions of each client that has any.
    clients: HashMap<Client, usize>,
    count: u64,
}

/// The records seen of a partition since it was assigned: all offsets from `first` to `last`.
#[derive(Clone, Copy, Debug)]
struct SeenRange {
    first: i64,
    last: i64,
    /// The last offset that was evicted together with its ring.
    forgotten: i64,
}

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StartPosition {
    /// The number of the first entry to read.
    pub(super) number: u64,
    /// What the browser has received: messages of this partition up to this offset.
    pub(super) skip: Option<Cursor>,
    pub(super) missing: Missing,
}

/// What a new subscription has missed and the rings no longer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    /// Some records after this one.
    After(Cursor),
}

impl Rings {
    pub(super) fn publish(&mut self, address: &Address, message: Message, at: Instant, max_messages: usize) {
        let Cursor { partition_id, offset } = message.cursor;
        let seen =
            self.partitions.entry(partition_id).or_insert(SeenRange { first: offset, last: offset - 1, forgotten: -1 });
        let again = offset <= seen.last;
        seen.first = seen.first.min(offset);
        seen.last = seen.last.max(offset);
        let number = self.touch(address);
        let Some(ring) = self.rings.get_mut(address) else { return };
        if again && ring.number_of(message.cursor).is_some() {
            return;
        }
        let bytes = message.json.len();
        let freed = ring.push(RingEntry { number, at, message: Arc::new(message) }, max_messages);
        self.bytes = (self.bytes + bytes).saturating_sub(freed);
    }

    pub(super) fn forget_partition(&mut self, partition_id: PartitionId) {
        self.partitions.remove(&partition_id);
    }

    /// All subscriptions.
    pub(super) fn subscribers(&self) -> usize {
        self.subscribers
    }

    pub(super) fn subscribers_of(&self, address: &Address) -> usize {
        self.rings.get(address).map_or(0, Ring::subscribers)
    }

    pub(super) fn subscribers_from(&self, client: Client) -> usize {
        self.clients.get(&client).copied().unwrap_or(0)
    }

    /// Adds a subscription to two rings; returns its id.
    pub(super) fn subscribe(&mut self, addresses: &[Address; 2], client: Client, notify: &Arc<Notify>) -> u64 {
        self.subscribers += 1;
        *self.clients.entry(client).or_default() += 1;
        self.count += 1;
        let id = self.count;
        for address in addresses {
            let used = self.touch(address);
            self.idle.remove(&used);
            if let Some(ring) = self.rings.get_mut(address) {
                ring.wait(id, notify.clone());
            }
        }
        id
    }

    pub(super) fn unsubscribe(&mut self, addresses: &[Address; 2], client: Client, id: u64) {
        self.subscribers -= 1;
        if let Entry::Occupied(mut of_client) = self.clients.entry(client) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
        for address in addresses {
            let Some(ring) = self.rings.get_mut(address) else { continue };
            ring.remove_subscriber(id);
            if ring.subscribers() > 0 {
                continue;
            }
            self.idle.insert(ring.last_used, address.clone());
            if ring.is_empty() {
                self.remove(address);
            }
        }
    }

    /// Where a subscription starts: after its cursor; without one, at the first message within the replay window.
    pub(super) fn start_position(
        &self,
        addresses: &[Address; 2],
        cursor: Option<Cursor>,
        window: Duration,
    ) -> StartPosition {
        let seen = cursor.and_then(|cursor| self.partitions.get(&cursor.partition_id));
        // A cursor beyond the end of the log is from an earlier topic with the same name, and is ignored.
        let Some(cursor) = cursor.filter(|cursor| seen.is_none_or(|seen| cursor.offset <= seen.last)) else {
            let since = Instant::now().checked_sub(window);
            let is_recent = |entry: &&RingEntry| since.is_none_or(|since| entry.at >= since);
            let recent = self.of(addresses).filter_map(|ring| ring.from(0).find(is_recent)).map(|entry| entry.number);
            let number = recent.min().unwrap_or(self.count + 1);
            return StartPosition { number, skip: None, missing: Missing::Nothing };
        };
        if let Some(number) = self.of(addresses).find_map(|ring| ring.number_of(cursor)) {
            return StartPosition { number: number + 1, skip: None, missing: Missing::Nothing };
        }
        let all_here = seen.is_some_and(|seen| seen.first <= cursor.offset + 1 && seen.forgotten <= cursor.offset)
            && self
                .of(addresses)
                .all(|ring| ring.evicted(cursor.partition_id).is_none_or(|left| left <= cursor.offset));
        let missing = if all_here { Missing::Nothing } else { Missing::After(cursor) };
        StartPosition { number: 1, skip: Some(cursor), missing }
    }

    pub(super) fn entries(&self, addresses: &[Address; 2], from: u64) -> Vec<RingEntry> {
        self.of(addresses).flat_map(|ring| ring.from(from).cloned()).collect()
    }

    /// The number of the last entry that was evicted from one of the rings.
    pub(super) fn lost(&self, addresses: &[Address; 2]) -> u64 {
        self.of(addresses).map(Ring::last_evicted).max().unwrap_or(0)
    }

    /// Evicts rings until the limits are met, least recently used first. A ring with subscriptions is evicted last, and
    /// is emptied but not removed.
    pub(super) fn shrink(&mut self, limits: &HubLimits) {
        while self.bytes > limits.bytes || self.rings.len() > limits.people {
            let Some((_, address)) = self.idle.first_key_value() else { break };
            let address = address.clone();
            self.remove(&address);
        }
        if self.bytes > limits.bytes {
            self.bytes = self.rings.values_mut().fold(self.bytes, |bytes, ring| {
                if bytes > limits.bytes { bytes.saturating_sub(ring.clear()) } else { bytes }
            });
        }
    }

    /// The number of subscriptions, rings and bytes.
    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, usize, usize) {
        (self.subscribers, self.rings.len(), self.bytes)
    }

    fn of<'a>(&'a self, addresses: &'a [Address; 2]) -> impl Iterator<Item = &'a Ring> {
        addresses.iter().filter_map(|address| self.rings.get(address))
    }

    /// Takes the next number and marks a ring as used now; creates the ring if it is absent.
    fn touch(&mut self, address: &Address) -> u64 {
        self.count += 1;
        let ring = self.rings.entry(address.clone()).or_default();
        if ring.subscribers() == 0 {
            self.idle.remove(&ring.last_used);
            self.idle.insert(self.count, address.clone());
        }
        ring.last_used = self.count;
        self.count
    }

    fn remove(&mut self, address: &Address) {
        let Some(mut ring) = self.rings.remove(address) else { return };
        self.idle.remove(&ring.last_used);
        self.bytes = self.bytes.saturating_sub(ring.clear());
        for left in ring.all_evicted() {
            if let Some(seen) = self.partitions.get_mut(&left.partition_id) {
                seen.forgotten = seen.forgotten.max(left.offset);
            }
        }
    }
}
