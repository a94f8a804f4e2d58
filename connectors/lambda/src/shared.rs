use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tributary_api::{Error, Record, SinkTaskContext};

use crate::config::Settings;
use crate::invoke::Invoker;
use crate::report::Reporter;
use crate::throttle::Throttle;

/// How often offsets are committed during delivery: a crash repeats at most this much.
const COMMIT: Duration = Duration::from_secs(1);

/// Shared by all partitions of a task.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cx: SinkTaskContext,
    pub(crate) settings: Arc<Settings>,
    pub(crate) invoker: Invoker,
    pub(crate) throttle: Throttle,
    /// Limits the number of concurrent invocations.
    pub(crate) slots: Semaphore,
    pub(crate) reporter: Option<Reporter>,
    signals: Mutex<Vec<TaskSignal>>,
    committed: Mutex<Instant>,
}

/// A signal from a worker to the task: only the task can report records or fail, when the runtime calls it.
#[derive(Debug)]
pub(crate) enum TaskSignal {
    /// The function refused these records. Their partition waits until they are reported.
    Bad { records: Vec<Record>, error: Error, acknowledged: oneshot::Sender<()> },
    /// The task fails.
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

    /// Sends a signal to the task, and makes the runtime call it.
    pub(crate) fn send(&self, signal: TaskSignal) {
        self.signals.lock().push(signal);
        self.cx.set_timeout(Duration::ZERO);
    }

    /// Takes the signals sent so far.
    pub(crate) fn take_signals(&self) -> Vec<TaskSignal> {
        std::mem::take(&mut *self.signals.lock())
    }

    /// Records were delivered: requests a commit if the last one is long enough ago.
    pub(crate) fn delivered(&self) {
        let mut committed = self.committed.lock();
        if committed.elapsed() >= COMMIT {
            *committed = Instant::now();
            drop(committed);
            self.cx.request_commit();
        }
    }
}
