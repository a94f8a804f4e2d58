use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::environment::Ran;
use crate::event::Event;
use crate::faults::Faults;
use crate::functions::Functions;
use crate::pool::Pool;
use crate::records::{Invocation, Kind, Outcome, Records};

/// All that a front has: its functions, what they did, and what is to go wrong.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    pub(crate) faults: Faults,
    pub(crate) records: Records,
    pub(crate) retry_after: Duration,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A call that was understood, for a function that exists.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) function: String,
    pub(crate) pool: Arc<Pool>,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    /// The request's context; whether the function gets it depends on the kind.
    pub(crate) client_context: Option<String>,
    pub(crate) event: Event,
}

impl Runs {
    pub(crate) fn new(functions: Functions) -> Self {
        let shared = Arc::new(Semaphore::new(functions.account_concurrency));
        let pools = functions.functions.into_iter();
        Self {
            pools: pools.map(|(name, function)| (name.clone(), Arc::new(Pool::new(name, function, &shared)))).collect(),
            faults: Faults::default(),
            records: Records::new(functions.kept),
            retry_after: functions.retry_after,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Notes a call that comes to no run.
    pub(crate) fn note(&self, invocation: Invocation, outcome: Outcome) {
        let id = self.records.begin(invocation);
        self.records.end(id, outcome);
    }

    /// Runs the function and waits for it. It goes on when the caller no longer waits, as Lambda does.
    pub(crate) async fn run(self: &Arc<Self>, task: Task, slot: OwnedSemaphorePermit) -> Option<Ran> {
        let runs = Arc::clone(self);
        self.tracker.spawn(async move { runs.attempt(&task, 1, slot).await }).await.ok().flatten()
    }

    /// Queues an asynchronous event: up to three attempts in the background.
    pub(crate) fn queue(self: &Arc<Self>, task: Task) {
        let runs = Arc::clone(self);
        self.tracker.spawn(async move {
            let waits = task.pool.function().retry_waits;
            for (attempt, wait) in (1..).zip([Duration::ZERO, waits[0], waits[1]]) {
                let slot = tokio::select! {
                    slot = async { sleep(wait).await; task.pool.slot().await } => slot,
                    () = runs.stop.cancelled() => None,
                };
                let Some(slot) = slot else { return };
                let ran = runs.attempt(&task, attempt, slot).await;
                if ran.is_none_or(|ran| ran.outcome.is_success()) {
                    return;
                }
                tracing::debug!(function = task.function, attempt, "an asynchronous event failed");
            }
        });
    }

    /// Ends what runs, and the processes that wait.
    pub(crate) fn end(&self) {
        self.stop.cancel();
        self.pools.values().for_each(|pool| pool.end());
    }

    /// One run with its record; none if the front stops meanwhile.
    async fn attempt(&self, task: &Task, attempt: u32, slot: OwnedSemaphorePermit) -> Option<Ran> {
        let record = self.records.begin(invocation(task, attempt));
        let fault = self.faults.take_for_run();
        let ran = tokio::select! {
            ran = task.pool.run(task.event.clone(), &task.version, fault, &self.tracker) => ran,
            () = self.stop.cancelled() => return None,
        };
        drop(slot);
        self.records.end(record, ran.outcome.clone());
        Some(ran)
    }
}

pub(crate) fn invocation(task: &Task, attempt: u32) -> Invocation {
    Invocation {
        function: task.function.clone(),
        request_id: task.event.request_id.clone(),
        kind: task.kind,
        attempt,
        payload: task.event.payload.clone(),
        client_context: task.client_context.clone(),
        began: Instant::now(),
        ended: None,
        outcome: None,
    }
}
