use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use async_task::Runnable;

use super::{Inner, MAX_THREADS, State};

/// A thread as the others see it.
#[derive(Default)]
pub(super) struct TaskThread {
    /// Set before the thread can be idle.
    unparker: OnceLock<Thread>,
    /// Grows at the begin and at the end of each poll: odd within one.
    polls: AtomicU64,
    /// What `polls` was when the monitor looked last.
    seen: AtomicU64,
    /// Counted among those held up. Changed only under the state's lock.
    stuck: AtomicBool,
    /// There is work.
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

    /// Whether the thread is still in the poll that the last look found it in.
    pub(super) fn is_stuck(&self) -> bool {
        let polls = self.polls.load(Ordering::Acquire);
        polls % 2 == 1 && self.seen.swap(polls, Ordering::Relaxed) == polls
    }

    /// To be called under the state's lock; whether it was not counted before.
    pub(super) fn mark_stuck(&self) -> bool {
        !self.stuck.swap(true, Ordering::Relaxed)
    }
}

impl Inner {
    /// One more thread for what waits. When the system has none to give, the monitor tries again.
    pub(super) fn add_thread(&self, state: &mut State) {
        if state.threads.len() >= MAX_THREADS {
            if !std::mem::replace(&mut state.limit_logged, true) {
                tracing::error!(
                    threads = MAX_THREADS,
                    "plugins block all threads there may be: others have to wait for them"
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
                tracing::error!(%error, "cannot start a thread for the tasks, trying again: allow the process more");
                self.start_monitor(state);
            }
        }
    }

    /// What to run next; without work the thread is put among the idle ones.
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

    /// Whether an idle thread may end: it was not woken meanwhile, and is one too many.
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
        // Futures catch their own panics; what is left is one while they are dropped.
        if catch_unwind(AssertUnwindSafe(|| runnable.run())).is_err() {
            tracing::error!("a panic left a task: it is gone, the others are not concerned");
        }
        thread.polls.fetch_add(1, Ordering::Release);
    }
}
