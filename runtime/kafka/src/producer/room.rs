use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where senders wait for room in the queue. Costs the delivery thread one atomic read for each batch while nobody
/// waits.
#[derive(Default)]
pub(super) struct Room {
    waiting: AtomicUsize,
    made: Mutex<u64>,
    changed: Condvar,
    pub(super) waits: AtomicU64,
}

impl Room {
    /// What to hand to [`Room::wait`]; to be read before trying.
    pub(super) fn seen(&self) -> u64 {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let seen = *self.made.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        seen
    }

    /// Waits until room was made since `seen`, or for the time given.
    pub(super) fn wait(&self, seen: u64, timeout: Duration) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(made, timeout, |made| *made == seen);
        drop(waited);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Some records have left the queue.
    pub(super) fn made(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            *self.made.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.changed.notify_all();
        }
    }
}
