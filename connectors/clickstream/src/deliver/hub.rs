use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::message::{Cursor, Message, PartitionId};
use super::ring::Entry;
use super::rings::{Missing, Rings};
use super::subscription::{ReadPosition, Subscription};
use crate::http::Client;
use crate::session::Session;

/// The limits of the hub.
#[derive(Clone, Copy, Debug)]
pub(super) struct HubLimits {
    pub(super) subscribers: usize,
    pub(super) subscribers_per_person: usize,
    pub(super) subscribers_per_client: usize,
    pub(super) people: usize,
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// A subscription without a cursor starts this far in the past.
    pub(super) window: Duration,
    /// Whether a subscription that has lost messages is ended instead of continued after them.
    pub(super) disconnect_slow: bool,
}

/// The rings of all addresses. The lock is taken once per batch of records and once per read of a subscription.
#[derive(Debug)]
pub(super) struct Hub {
    limits: HubLimits,
    closed: CancellationToken,
    rings: Mutex<Rings>,
}

/// Why a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscribeError {
    All,
    Person,
    Client,
    Closed,
}

impl Hub {
    pub(super) fn new(limits: HubLimits) -> Self {
        Self { limits, closed: CancellationToken::new(), rings: Mutex::default() }
    }

    pub(super) fn limits(&self) -> &HubLimits {
        &self.limits
    }

    /// Publishes messages to the subscriptions. A message that is in a ring already is not added again.
    pub(super) fn publish(&self, messages: Vec<(Address, Message)>) {
        let now = Instant::now();
        let mut rings = self.lock();
        for (address, message) in messages {
            rings.publish(&address, message, now, self.limits.messages);
        }
        rings.shrink(&self.limits);
    }

    /// Partitions were assigned or revoked: the next record of such a partition need not follow the last one seen.
    pub(super) fn forget_partitions(&self, partitions: impl Iterator<Item = PartitionId>) {
        let mut rings = self.lock();
        partitions.for_each(|partition_id| rings.forget_partition(partition_id));
    }

    /// Starts a subscription of a session after a cursor; without one, with the messages of the replay window.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        session: &Session,
        client: Client,
        cursor: Option<Cursor>,
    ) -> Result<(Subscription, Missing), SubscribeError> {
        let addresses = Address::of_session(session);
        let notify = Arc::new(Notify::new());
        let mut rings = self.lock();
        if self.closed.is_cancelled() {
            return Err(SubscribeError::Closed);
        }
        if rings.subscribers() >= self.limits.subscribers {
            return Err(SubscribeError::All);
        }
        if rings.subscribers_of(&addresses[0]) >= self.limits.subscribers_per_person {
            return Err(SubscribeError::Person);
        }
        if client.is_limited() && rings.subscribers_from(client) >= self.limits.subscribers_per_client {
            return Err(SubscribeError::Client);
        }
        let id = rings.subscribe(&addresses, client, &notify);
        let start = rings.start_position(&addresses, cursor, self.limits.window);
        let lost_before = rings.lost(&addresses);
        rings.shrink(&self.limits);
        drop(rings);
        let position = ReadPosition { next: start.number, lost_before, skip: start.skip };
        Ok((Subscription::new(self.clone(), (id, client), session, notify, position), start.missing))
    }

    /// The messages of two addresses from a number, in order, and the number of the last evicted one.
    pub(super) fn read(&self, addresses: &[Address; 2], from: u64) -> (Vec<Entry>, u64) {
        let rings = self.lock();
        let (mut entries, lost) = (rings.entries(addresses, from), rings.lost(addresses));
        drop(rings);
        entries.sort_unstable_by_key(|entry| entry.number);
        (entries, lost)
    }

    pub(super) fn unsubscribe(&self, addresses: &[Address; 2], client: Client, id: u64) {
        self.lock().unsubscribe(addresses, client, id);
    }

    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Cancelled when all subscriptions end.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// The current number of subscriptions, rings and bytes.
    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, usize, usize) {
        self.lock().usage()
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock()
    }
}

#[cfg(test)]
mod tests;
