use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tributary_api::{Error, Record, SinkTaskContext};

use crate::config::Settings;
use crate::invoke::Invoker;
use crate::report::Reporter;
use crate::throttle::Throttle;

/// How often offsets are committed while records are delivered: what a crash repeats.
const COMMIT: Duration = Duration::from_secs(1);

/// What all partitions of a task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cx: SinkTaskContext,
    pub(crate) settings: Arc<Settings>,
    pub(crate) invoker: Invoker,
    pub(crate) throttle: Throttle,
    /// Invocations at the same time.
    pub(crate) slots: Semaphore,
    pub(crate) reporter: Option<Reporter>,
    signals: Mutex<Vec<TaskSignal>>,
    committed: Mutex<Instant>,
}

/// What a worker cannot do itself: only the task may report records or fail, when the runtime calls it.
#[derive(Debug)]
pub(crate) enum TaskSignal {
    /// The function refused these records. Their partition waits until they are reported.
    Bad { records: Vec<Record>, error: Error, settled: oneshot::Sender<()> },
    /// The task cannot go on.
    Fatal(Error),
}

impl Shared {
    pub(crate) fn new(
        cx: SinkTaskContext,
        settings: Arc<Settings>,
        invoker: Invoker,
        reporter: Option<Reporter>,
    ) -> Self {
        Self {
            throttle: Throttle::new(settings.limits.rate),
            slots: Semaphore::new(settings.limits.concurrency),
            invoker,
            reporter,
            signals: Mutex::default(),
            committed: Mutex::new(Instant::now()),
            cx,
            settings,
        }
    }

    /// Sends a signal to the task, and has the runtime call it.
    pub(crate) fn send(&self, signal: TaskSignal) {
        lock(&self.signals).push(signal);
        self.cx.set_timeout(Duration::ZERO);
    }

    /// Takes the signals sent so far.
    pub(crate) fn take_signals(&self) -> Vec<TaskSignal> {
        std::mem::take(&mut *lock(&self.signals))
    }

    /// Records were delivered: now and then their offsets are committed.
    pub(crate) fn delivered(&self) {
        let mut committed = lock(&self.committed);
        if committed.elapsed() >= COMMIT {
            *committed = Instant::now();
            drop(committed);
            self.cx.request_commit();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
