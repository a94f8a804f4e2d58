//! Limits the connections of a broker, and decides which one is closed for a new one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often idle connections are checked for while all are busy.
const IDLE_CHECK: Duration = Duration::from_millis(100);

/// The value of `idle_since` while a connection is busy.
const BUSY: u64 = u64::MAX;

/// The slots of one broker.
#[derive(Clone)]
pub(super) struct ConnectionSlots {
    shared: Arc<SlotTable>,
}

struct SlotTable {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<SlotState>>>,
    next: AtomicU64,
    begun: Instant,
}

/// The shared state of a connection.
struct SlotState {
    /// In milliseconds since the broker's start.
    idle_since: AtomicU64,
    /// The number of requests so far; a connection without any is closed first.
    requests: AtomicU64,
    leave: CancellationToken,
}

/// The slot of a connection; free again when dropped.
pub(super) struct ConnectionSlot {
    shared: Arc<SlotTable>,
    number: u64,
    state: Arc<SlotState>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionSlots {
    pub(super) fn new(count: usize) -> Self {
        let (taken, begun) = (Mutex::default(), Instant::now());
        let free = Arc::new(Semaphore::new(count));
        Self { shared: Arc::new(SlotTable { free, taken, next: AtomicU64::new(0), begun }) }
    }

    /// A free slot. If there is none, the connection that has been idle longest is closed; its client reconnects with
    /// its next request.
    pub(super) async fn take(&self) -> ConnectionSlot {
        loop {
            if self.shared.free.available_permits() == 0 {
                self.shared.ask_the_idlest();
            }
            let permit = Arc::clone(&self.shared.free).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(IDLE_CHECK, permit).await {
                return self.shared.occupy(permit);
            }
        }
    }
}

impl SlotTable {
    fn occupy(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> ConnectionSlot {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(SlotState {
            idle_since: AtomicU64::new(self.now()),
            requests: AtomicU64::new(0),
            leave: CancellationToken::new(),
        });
        self.taken.lock().insert(number, Arc::clone(&state));
        ConnectionSlot { shared: Arc::clone(self), number, state, _permit: permit }
    }

    fn ask_the_idlest(&self) {
        let taken = self.taken.lock();
        let idle = taken.values().filter(|state| !state.leave.is_cancelled());
        let idle = idle.map(|state| {
            let has_asked = state.requests.load(Ordering::Relaxed) > 0;
            (has_asked, state.idle_since.load(Ordering::Relaxed), &state.leave)
        });
        let idlest =
            idle.filter(|(_, since, _)| *since != BUSY).min_by_key(|(has_asked, since, _)| (*has_asked, *since));
        if let Some((_, _, leave)) = idlest {
            leave.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }
}

impl ConnectionSlot {
    /// A request has begun: this connection is not closed until [`ConnectionSlot::idle`].
    pub(super) fn busy(&self) {
        self.state.requests.fetch_add(1, Ordering::Relaxed);
        self.state.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// It waits for the next request.
    pub(super) fn idle(&self) {
        self.state.idle_since.store(self.shared.now(), Ordering::Relaxed);
    }

    /// Returns when the slot is needed for another connection.
    pub(super) async fn wanted(&self) {
        self.state.leave.cancelled().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.shared.taken.lock().remove(&self.number);
    }
}

impl fmt::Debug for ConnectionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSlot").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    /// On a paused clock, which advances when all tasks wait.
    const LIMIT: Duration = Duration::from_mins(10);

    fn is_wanted(slot: &ConnectionSlot) -> bool {
        slot.state.leave.is_cancelled()
    }

    /// Closes when the slot is needed, as a connection does.
    async fn close_when_wanted(slot: ConnectionSlot) {
        tokio::time::timeout(LIMIT, slot.wanted()).await.expect("nobody was asked to leave");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_without_a_request_are_closed_first_then_the_longest_idle() {
        let slots = ConnectionSlots::new(3);
        let (first, second, silent) = (slots.take().await, slots.take().await, slots.take().await);
        for slot in [&second, &first] {
            slot.busy();
            tokio::time::advance(Duration::from_secs(1)).await;
            slot.idle();
        }
        let (fourth, ()) = tokio::join!(slots.take(), close_when_wanted(silent));
        assert!(!is_wanted(&first) && !is_wanted(&second));

        fourth.busy();
        let (_fifth, ()) = tokio::join!(slots.take(), close_when_wanted(second));
        assert!(!is_wanted(&first) && !is_wanted(&fourth));
    }

    #[tokio::test(start_paused = true)]
    async fn busy_connections_stay_until_idle() {
        let slots = ConnectionSlots::new(1);
        let busy = slots.take().await;
        busy.busy();
        let waited = tokio::time::timeout(Duration::from_secs(60), slots.take()).await;
        assert!(waited.is_err() && !is_wanted(&busy));
        busy.idle();
        tokio::join!(slots.take(), close_when_wanted(busy));
    }
}
