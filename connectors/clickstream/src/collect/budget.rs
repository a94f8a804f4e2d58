use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many events and bytes may be held at once.
#[derive(Debug)]
pub(super) struct Budget {
    events: Meter,
    bytes: Meter,
}

/// There is no room at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    events: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Meter {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max_events: usize, max_bytes: usize) -> Self {
        let meter = |max| Meter { used: AtomicUsize::new(0), max };
        Self { events: meter(max_events), bytes: meter(max_bytes) }
    }

    /// An empty share.
    pub(super) fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { budget: self.clone(), events: 0, bytes: 0 }
    }

    /// Events and bytes in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> (usize, usize) {
        (self.events.used.load(Ordering::Relaxed), self.bytes.used.load(Ordering::Relaxed))
    }
}

impl Reservation {
    /// Room for more bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.budget.bytes.take(bytes)?;
        self.bytes += bytes;
        Ok(())
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
        self.budget.bytes.give_back(self.bytes);
    }
}

impl Meter {
    fn take(&self, amount: usize) -> Result<(), Full> {
        let more = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.max);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| Full)
    }

    fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_no_more_than_there_is_and_takes_it_back() {
        let budget = Arc::new(Budget::new(2, 100));
        let mut first = budget.reserve();
        assert_eq!(first.grow(60), Ok(()));
        assert_eq!(first.add_events(2), Ok(()));
        let mut second = budget.reserve();
        assert_eq!(second.grow(41), Err(Full));
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(second.add_events(1), Err(Full));
        drop(first);
        assert_eq!(second.add_events(1), Ok(()));
        assert_eq!(budget.used(), (1, 40));
        drop(second);
        assert_eq!(budget.used(), (0, 0));
    }
}
