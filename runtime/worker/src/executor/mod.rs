//! Where tasks and connectors live: on threads that follow what is runnable, not what exists.
//!
//! A future that waits holds no thread. One that computes or blocks holds its thread for as long as it does; while others
//! wait, the [monitor] sees which threads have been in one poll for long and has others take their place, so that a
//! plugin that never returns costs its thread and nothing else. Threads run inside the tokio runtime's context: timers
//! and sockets work as they do everywhere.

mod monitor;
mod threads;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_task::Runnable;
use tokio::runtime::Handle;

use self::monitor::MonitorWaker;
use self::threads::TaskThread;

/// Threads at the most: more than as many plugins that block at a time is a plugin's fault for the operator to see.
const MAX_THREADS: usize = 2048;
/// How long a thread that is one too many is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// A cheap handle. The threads end when the last one is gone and nothing lives here any more.
#[derive(Clone)]
pub(crate) struct Executor(Arc<Inner>);

struct Inner {
    runtime: Handle,
    /// How many threads serve those that are woken, beside the ones held up. More than there are cores, so that the system's
    /// scheduler shares these among them; few, so that a thousand that are woken at once do not wake a thread each.
    width: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    monitor: Arc<MonitorWaker>,
    weak_self: Weak<Inner>,
}

#[derive(Default)]
struct State {
    /// Woken, in order.
    ready: VecDeque<Runnable>,
    threads: Vec<Arc<TaskThread>>,
    /// Those without work; the last one has the warmest cache and is woken first.
    idle: Vec<Arc<TaskThread>>,
    /// How many threads the monitor has found in a long poll.
    stuck: usize,
    /// Whether the monitor runs.
    monitored: bool,
    /// The bound on threads was told of.
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

    /// The runtime for timers, sockets and work of the engine's own.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Drives a future to its end. Who wants to hear of the end, or of a panic, has the future tell it.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let inner = Arc::clone(&self.0);
        let (runnable, task) = async_task::spawn(future, move |runnable| inner.schedule(runnable));
        task.detach();
        runnable.schedule();
    }

    /// Threads there are.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.0.state().threads.len()
    }
}

impl Inner {
    /// From any thread, also from within a client library's callback: it only queues, nothing is run or dropped here.
    fn schedule(&self, runnable: Runnable) {
        let mut state = self.state();
        state.ready.push_back(runnable);
        let idle = self.thread_for_ready(&mut state);
        drop(state);
        match idle {
            Some(thread) => thread.wake(),
            // Those at work take it, or the monitor sees that they do not.
            None => self.monitor.wake(),
        }
    }

    /// One more thread for what waits, unless as many as there should be are at work: an idle one to be woken, or a new one.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.monitor.close();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.idle.drain(..).for_each(|thread| thread.wake());
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("width", &self.0.width).finish_non_exhaustive()
    }
}
