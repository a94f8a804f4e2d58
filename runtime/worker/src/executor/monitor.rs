use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::{Inner, State};

/// A thread that is longer in one poll does not count among those that serve the waiting ones.
const LONG_POLL: Duration = Duration::from_millis(1);

/// Wakes the monitor when something waits for a thread. Doing so again costs one atomic operation.
#[derive(Default)]
pub(super) struct MonitorWaker {
    woken: AtomicBool,
    closed: Mutex<bool>,
    changed: Condvar,
}

impl MonitorWaker {
    pub(super) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Under the lock, or the monitor might just be about to wait.
            let _closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits to be woken; `false` when nobody will wake it any more.
    fn wait(&self) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |closed: &mut bool| !*closed && !self.woken.load(Ordering::Acquire);
        !*self.changed.wait_while(closed, quiet).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Starts the monitor unless it runs.
    pub(super) fn start_monitor(&self, state: &mut State) {
        if state.monitored {
            return;
        }
        let (weak_self, waker) = (Weak::clone(&self.weak_self), Arc::clone(&self.monitor));
        let started = thread::Builder::new().name("tasks-monitor".to_owned()).spawn(move || {
            while waker.wait() {
                thread::sleep(LONG_POLL);
                let Some(executor) = weak_self.upgrade() else { return };
                executor.add_missing_threads();
            }
        });
        match started {
            Ok(_) => state.monitored = true,
            Err(error) => {
                tracing::error!(%error, "cannot start the thread that watches the tasks: allow the process more")
            }
        }
    }

    /// Adds a thread when something waits and too few threads are free to serve it.
    fn add_missing_threads(&self) {
        let mut state = self.state();
        if state.ready.is_empty() {
            self.monitor.woken.store(false, Ordering::Release);
            return;
        }
        let stuck = state.threads.iter().filter(|thread| thread.is_stuck() && thread.mark_stuck()).count();
        state.stuck += stuck;
        let idle = self.thread_for_ready(&mut state);
        drop(state);
        if let Some(thread) = idle {
            thread.wake();
        }
    }
}
