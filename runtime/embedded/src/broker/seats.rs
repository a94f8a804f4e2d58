//! The connections that a broker serves at a time, and which of them leaves when there is no room for another one.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How soon it is looked again whether somebody idles, where all are busy.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// While it is not idle, a connection has this for the time since when.
const BUSY: u64 = u64::MAX;

/// What the connections of one broker sit on.
#[derive(Clone)]
pub(super) struct Seats {
    shared: Arc<Shared>,
}

struct Shared {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Sitting>>>,
    next: AtomicU64,
    begun: Instant,
}

/// What others may know of a connection.
struct Sitting {
    /// In milliseconds of the broker's life.
    idle_since: AtomicU64,
    /// How many requests have come; who has never asked leaves first.
    requests: AtomicU64,
    leave: CancellationToken,
}

/// A connection's place among the others; free again when dropped.
pub(super) struct Seat {
    shared: Arc<Shared>,
    number: u64,
    sitting: Arc<Sitting>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        let (taken, begun) = (Mutex::default(), Instant::now());
        let free = Arc::new(Semaphore::new(count));
        Self { shared: Arc::new(Shared { free, taken, next: AtomicU64::new(0), begun }) }
    }

    /// A free seat. When there is none, whoever has been idle longest is asked to leave, which no client takes amiss: it
    /// connects again when it has something to say.
    pub(super) async fn take(&self) -> Seat {
        loop {
            if self.shared.free.available_permits() == 0 {
                self.shared.ask_the_idlest();
            }
            let permit = Arc::clone(&self.shared.free).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, permit).await {
                return self.shared.sit(permit);
            }
        }
    }
}

impl Shared {
    fn sit(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Seat {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let sitting = Arc::new(Sitting {
            idle_since: AtomicU64::new(self.now()),
            requests: AtomicU64::new(0),
            leave: CancellationToken::new(),
        });
        self.lock().insert(number, Arc::clone(&sitting));
        Seat { shared: Arc::clone(self), number, sitting, _permit: permit }
    }

    fn ask_the_idlest(&self) {
        let taken = self.lock();
        let idle = taken.values().filter(|sitting| !sitting.leave.is_cancelled());
        let idle = idle.map(|sitting| {
            let has_asked = sitting.requests.load(Ordering::Relaxed) > 0;
            (has_asked, sitting.idle_since.load(Ordering::Relaxed), &sitting.leave)
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

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Sitting>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A request has begun: this connection stays until [`Seat::idle`].
    pub(super) fn busy(&self) {
        self.sitting.requests.fetch_add(1, Ordering::Relaxed);
        self.sitting.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// It waits for the next request.
    pub(super) fn idle(&self) {
        self.sitting.idle_since.store(self.shared.now(), Ordering::Relaxed);
    }

    /// Returns when the seat is wanted for somebody else.
    pub(super) async fn wanted(&self) {
        self.sitting.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.number);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    /// Of a clock that runs ahead when all wait.
    const LIMIT: Duration = Duration::from_mins(10);

    fn is_wanted(seat: &Seat) -> bool {
        seat.sitting.leave.is_cancelled()
    }

    /// Leaves when it is asked to, as a connection does.
    async fn leave_when_wanted(seat: Seat) {
        tokio::time::timeout(LIMIT, seat.wanted()).await.expect("nobody was asked to leave");
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_leaves_first_and_then_the_idlest() {
        let seats = Seats::new(3);
        let (first, second, silent) = (seats.take().await, seats.take().await, seats.take().await);
        for seat in [&second, &first] {
            seat.busy();
            tokio::time::advance(Duration::from_secs(1)).await;
            seat.idle();
        }
        let (fourth, ()) = tokio::join!(seats.take(), leave_when_wanted(silent));
        assert!(!is_wanted(&first) && !is_wanted(&second));

        fourth.busy();
        let (_fifth, ()) = tokio::join!(seats.take(), leave_when_wanted(second));
        assert!(!is_wanted(&first) && !is_wanted(&fourth));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_busy_stays_until_idle() {
        let seats = Seats::new(1);
        let busy = seats.take().await;
        busy.busy();
        let waited = tokio::time::timeout(Duration::from_secs(60), seats.take()).await;
        assert!(waited.is_err() && !is_wanted(&busy));
        busy.idle();
        tokio::join!(seats.take(), leave_when_wanted(busy));
    }
}
