use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::http::Client;

/// Limits the events and bytes in memory: of all requests together and, for bytes, of one client.
#[derive(Debug)]
pub(super) struct Budget {
    events: Counter,
    bytes: Counter,
    bytes_per_client: usize,
    /// The bytes of each client that has any.
    clients: Mutex<HashMap<Client, usize>>,
}

/// The budget is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BudgetExhausted {
    /// The budget of all clients.
    All,
    /// This client's share.
    Client,
}

/// The limits of a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct BudgetLimits {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) bytes_per_client: usize,
}

/// A reservation from the budget, returned when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    client: Client,
    events: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Counter {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(limits: BudgetLimits) -> Self {
        let counter = |max| Counter { used: AtomicUsize::new(0), max };
        Self {
            events: counter(limits.events),
            bytes: counter(limits.bytes),
            bytes_per_client: limits.bytes_per_client,
            clients: Mutex::default(),
        }
    }

    /// An empty reservation for a client.
    pub(super) fn reserve(self: &Arc<Self>, client: Client) -> Reservation {
        Reservation { budget: self.clone(), client, events: 0, bytes: 0 }
    }

    /// Events and bytes in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> (usize, usize) {
        (self.events.used.load(Ordering::Relaxed), self.bytes.used.load(Ordering::Relaxed))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.clients.lock()
    }
}

impl Reservation {
    /// Reserves more bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), BudgetExhausted> {
        if bytes == 0 {
            return Ok(());
        }
        if self.client.is_limited() {
            let mut clients = self.budget.clients();
            let held = clients.get(&self.client).copied().unwrap_or(0).saturating_add(bytes);
            if held > self.budget.bytes_per_client {
                return Err(BudgetExhausted::Client);
            }
            self.budget.bytes.take(bytes)?;
            clients.insert(self.client, held);
        } else {
            self.budget.bytes.take(bytes)?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Returns bytes early.
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

    /// Reserves more events.
    pub(super) fn add_events(&mut self, events: usize) -> Result<(), BudgetExhausted> {
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

impl Counter {
    fn take(&self, amount: usize) -> Result<(), BudgetExhausted> {
        let more = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| BudgetExhausted::All)
    }

    fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(events: usize, bytes: usize, bytes_per_client: usize) -> Arc<Budget> {
        Arc::new(Budget::new(BudgetLimits { events, bytes, bytes_per_client }))
    }

    #[test]
    fn reserves_no_more_than_the_budget_and_releases_it() {
        let budget = budget(2, 100, 100);
        let mut first = budget.reserve(Client::UNKNOWN);
        assert_eq!(first.grow(60), Ok(()));
        assert_eq!(first.add_events(2), Ok(()));
        let mut second = budget.reserve(Client::of([10, 0, 0, 1].into()));
        assert_eq!(second.grow(41), Err(BudgetExhausted::All));
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(second.add_events(1), Err(BudgetExhausted::All));
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
        assert_eq!(requests[1].grow(11), Err(BudgetExhausted::Client));
        assert_eq!(requests[2].grow(10), Ok(()));
        assert_eq!(budget.reserve(other).grow(30), Ok(()));
        drop(requests);
        assert_eq!(budget.reserve(one).grow(30), Ok(()));
    }
}
