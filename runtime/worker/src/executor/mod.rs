//! Runs tasks and connectors. The number of threads depends on how many futures are runnable, not on how many exist.
//!
//! A future that awaits holds no thread. One that computes or blocks holds its thread until it yields; while others
//! wait, the [monitor] finds threads that have been in one poll for long and adds others, so that a plugin that never
//! returns costs one thread and delays no other task. Threads run inside the tokio runtime's context: timers and sockets work
//! as usual.

mod monitor;
mod threads;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_task::Runnable;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;

use self::monitor::MonitorWaker;
use self::threads::TaskThread;

/// The maximum number of threads. If more plugins block at a time, something is wrong with one of them, and an error is
/// logged.
const MAX_THREADS: usize = 2048;
/// How long a surplus idle thread is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// A cheap handle. The threads end when the last handle is dropped and no future is left.
#[derive(Clone)]
pub(crate) struct Executor(Arc<Inner>);

struct Inner {
    runtime: Handle,
    /// How many threads run woken futures, not counting stuck ones. More than there are cores, so that the operating
    /// system's scheduler shares these fairly; few, so that a thousand futures woken at once do not wake a thousand
    /// threads.
    width: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    monitor: Arc<MonitorWaker>,
    weak_self: Weak<Inner>,
}

#[derive(Default)]
struct State {
    /// Woken futures, in order.
    ready: VecDeque<Runnable>,
    threads: Vec<Arc<TaskThread>>,
    /// Idle threads; the last one has the warmest cache and is woken first.
    idle: Vec<Arc<TaskThread>>,
    /// How many threads the monitor has found in a long poll.
    stuck: usize,
    /// Whether the monitor runs.
    monitored: bool,
    /// That the maximum is reached was logged.
    limit_logged: bool,
}

impl Executor {
    pub(crate) fn new(runtime: Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::with(runtime, cores * 2, IDLE_TIMEOUT)
    }

    fn with(runtime: Handle, width: usize, idle_timeout: Duration) -> Self {
        let make = |weak_self: &Weak<Inner>| Inner {
            runtime,
            width,
            idle_timeout,
            state: Mutex::default(),
            monitor: Arc::default(),
            weak_self: Weak::clone(weak_self),
        };
        Self(Arc::new_cyclic(make))
    }

    /// The runtime for timers, sockets and the engine's own work.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Runs a future to its end. To learn of its end or of a panic, let the future report it.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let inner = Arc::clone(&self.0);
        let (runnable, task) = async_task::spawn(future, move |runnable| inner.schedule(runnable));
        task.detach();
        runnable.schedule();
    }

    /// The current number of threads.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.0.state().threads.len()
    }
}

impl Inner {
    /// May be called from any thread, also in a client library's callback: it only queues, and runs or drops no future.
    fn schedule(&self, runnable: Runnable) {
        let mut state = self.state();
        state.ready.push_back(runnable);
        let idle = self.thread_for_ready(&mut state);
        drop(state);
        match idle {
            Some(thread) => thread.wake(),
            // A running thread takes it next; if all are stuck, the monitor notices.
            None => self.monitor.wake(),
        }
    }

    /// Gets a thread for a waiting future unless enough are running: returns an idle one to be woken, or starts a new
    /// one.
    fn thread_for_ready(&self, state: &mut State) -> Option<Arc<TaskThread>> {
        if state.threads.len() - state.idle.len() - state.stuck >= self.width {
            self.start_monitor(state);
            return None;
        }
        let idle = state.idle.pop();
        if idle.is_none() {
            self.add_thread(state);
        }
        idle
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.monitor.close();
        let state = self.state.get_mut();
        state.idle.drain(..).for_each(|thread| thread.wake());
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("width", &self.0.width).finish_non_exhaustive()
    }
}
