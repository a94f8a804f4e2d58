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
    desk: Mutex<Vec<Verdict>>,
    committed: Mutex<Instant>,
}

/// What only the task itself can settle, between two calls of the runtime.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// These records are bad. Until that is settled their partition waits.
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
            desk: Mutex::default(),
            committed: Mutex::new(Instant::now()),
            cx,
            settings,
        }
    }

    /// Leaves a verdict for the task, and has it called.
    pub(crate) fn leave(&self, verdict: Verdict) {
        lock(&self.desk).push(verdict);
        self.cx.set_timeout(Duration::ZERO);
    }

    /// Takes the verdicts that are there.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        std::mem::take(&mut *lock(&self.desk))
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
