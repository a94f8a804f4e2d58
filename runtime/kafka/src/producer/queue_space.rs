use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Lets senders wait for space in the queue. Costs the delivery thread one atomic read per batch while no sender waits.
#[derive(Default)]
pub(super) struct QueueSpace {
    waiting: AtomicUsize,
    made: Mutex<u64>,
    changed: Condvar,
    waits: AtomicU64,
}

impl QueueSpace {
    /// Registers a sender before it tries again, so that space freed after its attempt is not missed.
    pub(super) fn enter(&self) -> Waiter<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiter(self)
    }

    /// Some records have left the queue.
    pub(super) fn made(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            *self.made.lock() += 1;
            self.changed.notify_all();
        }
    }

    /// How often a sender has waited.
    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}

/// A sender that found the queue full.
pub(super) struct Waiter<'a>(&'a QueueSpace);

impl Waiter<'_> {
    /// The value for [`Waiter::wait`]; to be read before the attempt.
    pub(super) fn seen(&self) -> u64 {
        *self.0.made.lock()
    }

    /// Waits until space was freed since `seen`, or until the timeout.
    pub(super) fn wait(&self, seen: u64, timeout: Duration) {
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        let mut made = self.0.made.lock();
        self.0.changed.wait_while_for(&mut made, |made| *made == seen, timeout);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
