use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Inner, State};

/// A thread that is in one poll for longer than this counts as stuck.
const LONG_POLL: Duration = Duration::from_millis(1);

/// Wakes the monitor when a future waits for a thread. Waking it again costs one atomic operation.
#[derive(Default)]
pub(super) struct MonitorWaker {
    woken: AtomicBool,
    closed: Mutex<bool>,
    changed: Condvar,
}

impl MonitorWaker {
    pub(super) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Under the lock: otherwise the monitor could miss this between its check and its wait.
            let _closed = self.closed.lock();
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        *self.closed.lock() = true;
        self.changed.notify_one();
    }

    /// Waits to be woken; `false` when the executor is gone.
    fn wait(&self) -> bool {
        let mut closed = self.closed.lock();
        let quiet = |closed: &mut bool| !*closed && !self.woken.load(Ordering::Acquire);
        self.changed.wait_while(&mut closed, quiet);
        !*closed
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
                tracing::error!(%error, "cannot start the thread that monitors tasks: raise the process's limit of threads")
            }
        }
    }

    /// Adds a thread when a future waits and too few threads are free.
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
