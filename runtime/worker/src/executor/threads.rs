use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use async_task::Runnable;

use super::{Inner, MAX_THREADS, State};

/// The shared state of one thread.
#[derive(Default)]
pub(super) struct TaskThread {
    /// Set before the thread can be idle.
    unparker: OnceLock<Thread>,
    /// Incremented at the start and at the end of each poll: odd during a poll.
    polls: AtomicU64,
    /// The value of `polls` at the monitor's last check.
    seen: AtomicU64,
    /// Counted as stuck. Changed only under the state's lock.
    stuck: AtomicBool,
    /// Woken because there is work.
    woken: AtomicBool,
}

impl TaskThread {
    /// Ends the wait of an idle thread.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        if let Some(thread) = self.unparker.get() {
            thread.unpark();
        }
    }

    /// Waits to be woken; `false` when it was not.
    fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.woken.swap(false, Ordering::Acquire) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }

    /// Whether the thread is still in the same poll as at the last check.
    pub(super) fn is_stuck(&self) -> bool {
        let polls = self.polls.load(Ordering::Acquire);
        polls % 2 == 1 && self.seen.swap(polls, Ordering::Relaxed) == polls
    }

    /// Call it under the state's lock; returns whether it was not counted before.
    pub(super) fn mark_stuck(&self) -> bool {
        !self.stuck.swap(true, Ordering::Relaxed)
    }
}

impl Inner {
    /// Starts one more thread. If the operating system refuses, the monitor tries again.
    pub(super) fn add_thread(&self, state: &mut State) {
        if state.threads.len() >= MAX_THREADS {
            if !std::mem::replace(&mut state.limit_logged, true) {
                tracing::error!(
                    threads = MAX_THREADS,
                    "the maximum number of threads is blocked by plugins: other tasks have to wait"
                );
            }
            return;
        }
        let thread = Arc::<TaskThread>::default();
        let (weak_self, own) = (Weak::clone(&self.weak_self), Arc::clone(&thread));
        let runtime = self.runtime.clone();
        let run = move || {
            let _entered = runtime.enter();
            work(&weak_self, &own);
        };
        match thread::Builder::new().name("tasks".to_owned()).spawn(run) {
            Ok(handle) => {
                thread.unparker.get_or_init(|| handle.thread().clone());
                state.threads.push(thread);
            }
            Err(error) => {
                tracing::error!(%error, "cannot start a thread for tasks, trying again: raise the process's limit of threads");
                self.start_monitor(state);
            }
        }
    }

    /// The next future to run; without one the thread is added to the idle ones.
    fn next(&self, thread: &Arc<TaskThread>) -> Option<Runnable> {
        let mut state = self.state();
        if thread.stuck.swap(false, Ordering::Relaxed) {
            state.stuck -= 1;
        }
        let next = state.ready.pop_front();
        if next.is_none() {
            state.idle.push(Arc::clone(thread));
        }
        next
    }

    /// Whether an idle thread may end: it was not woken meanwhile and is surplus.
    fn retire(&self, thread: &Arc<TaskThread>) -> bool {
        let mut state = self.state();
        let Some(place) = state.idle.iter().position(|idle| Arc::ptr_eq(idle, thread)) else { return false };
        if state.threads.len() - state.stuck <= self.width {
            return false;
        }
        state.idle.remove(place);
        state.threads.retain(|other| !Arc::ptr_eq(other, thread));
        state.limit_logged = false;
        true
    }
}

fn work(inner: &Weak<Inner>, thread: &Arc<TaskThread>) {
    loop {
        let Some(executor) = inner.upgrade() else { return };
        let Some(runnable) = executor.next(thread) else {
            let idle_timeout = executor.idle_timeout;
            drop(executor);
            while !thread.wait(idle_timeout) {
                let Some(executor) = inner.upgrade() else { return };
                if executor.retire(thread) {
                    return;
                }
            }
            continue;
        };
        drop(executor);
        thread.polls.fetch_add(1, Ordering::Release);
        // Tasks catch panics of their own code; one that arrives here happened while a future was dropped.
        if catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err() {
            tracing::error!("a task panicked while it was dropped; others are not affected");
        }
        thread.polls.fetch_add(1, Ordering::Release);
    }
}
