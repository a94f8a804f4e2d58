use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::Client;

/// How many events and bytes may be held at once, in all and of the bytes by one client.
#[derive(Debug)]
pub(super) struct Budget {
    events: Meter,
    bytes: Meter,
    bytes_per_client: usize,
    /// The bytes that each client holds; who holds none is not here.
    clients: Mutex<HashMap<Client, usize>>,
}

/// There is no room at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// For anybody.
    All,
    /// For this client, which holds its share.
    Client,
}

/// What a budget may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) bytes_per_client: usize,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    client: Client,
    events: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Meter {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(room: Room) -> Self {
        let meter = |max| Meter { used: AtomicUsize::new(0), max };
        Self {
            events: meter(room.events),
            bytes: meter(room.bytes),
            bytes_per_client: room.bytes_per_client,
            clients: Mutex::default(),
        }
    }

    /// An empty share for a client.
    pub(super) fn reserve(self: &Arc<Self>, client: Client) -> Reservation {
        Reservation { budget: self.clone(), client, events: 0, bytes: 0 }
    }

    /// Events and bytes in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> (usize, usize) {
        (self.events.used.load(Ordering::Relaxed), self.bytes.used.load(Ordering::Relaxed))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Room for more bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes == 0 {
            return Ok(());
        }
        if self.client.is_limited() {
            let mut clients = self.budget.clients();
            let held = clients.get(&self.client).copied().unwrap_or(0).saturating_add(bytes);
            if held > self.budget.bytes_per_client {
                return Err(Full::Client);
            }
            self.budget.bytes.take(bytes)?;
            clients.insert(self.client, held);
        } else {
            self.budget.bytes.take(bytes)?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Gives bytes back early.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        if bytes == 0 {
            return;
        }
        self.bytes -= bytes;
        self.budget.bytes.give_back(bytes);
        if !self.client.is_limited() {
            return;
        }
        let mut clients = self.budget.clients();
        let held = clients.get(&self.client).copied().unwrap_or(0).saturating_sub(bytes);
        if held == 0 {
            clients.remove(&self.client);
        } else {
            clients.insert(self.client, held);
        }
    }

    /// Room for more events.
    pub(super) fn add_events(&mut self, events: usize) -> Result<(), Full> {
        self.budget.events.take(events)?;
        self.events += events;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.events.give_back(self.events);
        self.shrink(self.bytes);
    }
}

impl Meter {
    fn take(&self, amount: usize) -> Result<(), Full> {
        let more = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| Full::All)
    }

    fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(events: usize, bytes: usize, bytes_per_client: usize) -> Arc<Budget> {
        Arc::new(Budget::new(Room { events, bytes, bytes_per_client }))
    }

    #[test]
    fn gives_no_more_than_there_is_and_takes_it_back() {
        let budget = budget(2, 100, 100);
        let mut first = budget.reserve(Client::UNKNOWN);
        assert_eq!(first.grow(60), Ok(()));
        assert_eq!(first.add_events(2), Ok(()));
        let mut second = budget.reserve(Client::of([10, 0, 0, 1].into()));
        assert_eq!(second.grow(41), Err(Full::All));
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(second.add_events(1), Err(Full::All));
        drop(first);
        assert_eq!(second.add_events(1), Ok(()));
        assert_eq!(budget.used(), (1, 40));
        second.shrink(30);
        assert_eq!(budget.used(), (1, 10));
        drop(second);
        assert_eq!(budget.used(), (0, 0));
        assert!(budget.clients().is_empty());
    }

    #[test]
    fn a_client_has_its_share_however_many_requests_it_makes() {
        let budget = budget(2, 100, 30);
        let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|address| Client::of(address.into()));
        let mut requests = [one; 3].map(|client| budget.reserve(client));
        assert_eq!(requests[0].grow(20), Ok(()));
        assert_eq!(requests[1].grow(11), Err(Full::Client));
        assert_eq!(requests[2].grow(10), Ok(()));
        assert_eq!(budget.reserve(other).grow(30), Ok(()));
        drop(requests);
        assert_eq!(budget.reserve(one).grow(30), Ok(()));
    }
}
