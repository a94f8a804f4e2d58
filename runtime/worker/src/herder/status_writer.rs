use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tributary_api::time::now_ms;
use tributary_api::{Backoff, Result};
use tributary_control::{InstanceState, TaskId};

use crate::membership::Membership;
use crate::redaction::Redaction;
use crate::stores::{Status, StatusStore};
use crate::tasks::TaskListener;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// The maximum length of a stored trace: a status that the broker refuses as too large would never be seen.
const TRACE_BYTES: usize = 200_000;

/// Writes states to the status topic in the background. Only the latest state waits for each connector and task, so
/// that task threads never block here and the queue is never longer than the number of connectors and tasks. A state
/// that could not be written waits again.
pub(crate) struct StatusWriter {
    store: Arc<dyn StatusLog>,
    membership: Arc<dyn Membership>,
    worker_id: String,
    topic_tracking: bool,
    redaction: Redaction,
    queue: Mutex<Queue>,
    changed: Notify,
    written: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<StatusKey, Option<Status>>,
    /// A batch is being written.
    writing: bool,
    /// The incarnation of each task whose reports are accepted; those of an abandoned one are not.
    incarnations: BTreeMap<TaskId, Incarnation>,
}

struct Incarnation {
    number: u64,
    version: String,
    topics: Vec<String>,
}

/// The store of states.
#[async_trait]
pub(super) trait StatusLog: Send + Sync {
    /// Writes a state; `None` removes it, except for topics, which have no state.
    async fn put(&self, key: &StatusKey, status: Option<&Status>) -> Result<()>;
    /// The generation of the worker that wrote the last state of a task.
    async fn generation_of(&self, _task: &TaskId) -> Result<i64> {
        Ok(0)
    }
}

#[async_trait]
impl StatusLog for StatusStore {
    async fn put(&self, key: &StatusKey, status: Option<&Status>) -> Result<()> {
        match key {
            StatusKey::Connector(name) => self.put_connector(name, status).await,
            StatusKey::Task(id) => self.put_task(id, status).await,
            StatusKey::Topic(id, topic) => self.put_topic(id, topic, now_ms()).await,
        }
    }

    async fn generation_of(&self, task: &TaskId) -> Result<i64> {
        StatusStore::generation_of(self, task).await
    }
}

/// The owner of a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatusKey {
    Connector(String),
    Task(TaskId),
    Topic(TaskId, String),
}

impl StatusWriter {
    pub(crate) fn new(
        store: StatusStore,
        membership: Arc<dyn Membership>,
        worker_id: String,
        topic_tracking: bool,
        redaction: Redaction,
    ) -> Arc<Self> {
        Self::with_store(Arc::new(store), membership, worker_id, topic_tracking, redaction)
    }

    fn with_store(
        store: Arc<dyn StatusLog>,
        membership: Arc<dyn Membership>,
        worker_id: String,
        topic_tracking: bool,
        redaction: Redaction,
    ) -> Arc<Self> {
        let (queue, changed, written) = (Mutex::default(), Notify::new(), Notify::new());
        Arc::new(Self { store, membership, worker_id, topic_tracking, redaction, queue, changed, written })
    }

    /// Writes waiting states; never returns, is ended by dropping it.
    pub(super) async fn run(&self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
        loop {
            let batch = {
                let mut queue = self.lock();
                queue.writing = !queue.waiting.is_empty();
                std::mem::take(&mut queue.waiting)
            };
            if batch.is_empty() {
                self.written.notify_waiters();
                self.changed.notified().await;
                continue;
            }
            if self.write(batch).await {
                if backoff.tries() > 0 {
                    tracing::info!("states can be written to the status topic again");
                }
                backoff.reset();
                continue;
            }
            let wait = backoff.next_wait();
            let least = wait.min(FIRST_RETRY);
            tokio::time::sleep(least).await;
            // A new state, or `flush` at shutdown, ends a long wait early.
            tokio::select! {
                () = tokio::time::sleep(wait - least) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Waits until all states reported so far are written, up to a timeout.
    pub(super) async fn flush(&self, timeout: Duration) {
        let all_written = async {
            loop {
                let written = self.written.notified();
                tokio::pin!(written);
                written.as_mut().enable();
                let done = {
                    let queue = self.lock();
                    queue.waiting.is_empty() && !queue.writing
                };
                if done {
                    return;
                }
                self.changed.notify_one();
                written.await;
            }
        };
        if tokio::time::timeout(timeout, all_written).await.is_err() {
            tracing::warn!("the last states could not be written in time: REST may show older ones");
        }
    }

    /// From now on the reports of this incarnation of a task are accepted.
    pub(super) fn set_incarnation(&self, task: &TaskId, number: u64, version: &str) {
        let incarnation = Incarnation { number, version: version.to_owned(), topics: Vec::new() };
        self.lock().incarnations.insert(task.clone(), incarnation);
    }

    /// From now on no reports of a task are accepted.
    pub(super) fn clear_incarnation(&self, task: &TaskId) {
        self.lock().incarnations.remove(task);
    }

    pub(super) fn connector(&self, name: &str, state: InstanceState, trace: Option<String>, version: Option<String>) {
        self.put(StatusKey::Connector(name.to_owned()), Some(self.status(state, trace, version)));
    }

    pub(super) fn task(&self, id: &TaskId, state: InstanceState, trace: Option<String>) {
        let version = self.lock().incarnations.get(id).map(|incarnation| incarnation.version.clone());
        self.put(StatusKey::Task(id.clone()), Some(self.status(state, trace, version)));
    }

    pub(crate) fn remove_connector(&self, name: &str) {
        self.put(StatusKey::Connector(name.to_owned()), None);
    }

    pub(crate) fn remove_task(&self, id: &TaskId) {
        self.put(StatusKey::Task(id.clone()), None);
    }

    fn put(&self, key: StatusKey, status: Option<Status>) {
        self.lock().waiting.insert(key, status);
        self.changed.notify_one();
    }

    /// Writes states concurrently: they have different keys. A state that could not be written waits again, unless
    /// there is a newer one by now. Returns whether all were written.
    async fn write(&self, batch: BTreeMap<StatusKey, Option<Status>>) -> bool {
        let outcomes = join_all(batch.iter().map(|(key, status)| self.store.put(key, status.as_ref()))).await;
        let mut queue = self.lock();
        queue.writing = false;
        let mut failed = None;
        for ((key, status), outcome) in batch.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                queue.waiting.entry(key).or_insert(status);
                failed = Some(error);
            }
        }
        if let Some(error) = &failed {
            let waiting = queue.waiting.len();
            tracing::error!(waiting, %error, "cannot write states to the status topic, trying again: until then REST shows older ones");
        }
        failed.is_none()
    }

    fn status(&self, state: InstanceState, trace: Option<String>, version: Option<String>) -> Status {
        let generation = self.membership.generation();
        // An error may quote secret values of the configuration.
        let trace = trace.map(|trace| shortened(self.redaction.apply(&trace).into_owned()));
        Status { state, trace, worker_id: self.worker_id.clone(), generation, version }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

#[async_trait]
impl TaskListener for StatusWriter {
    async fn is_taken_over(&self, task: &TaskId) -> bool {
        match self.store.generation_of(task).await {
            Ok(theirs) => theirs > self.membership.generation(),
            Err(error) => {
                tracing::warn!(%error, %task, "could not check whether another worker runs the task");
                false
            }
        }
    }

    fn state_changed(&self, task: &TaskId, incarnation: u64, state: InstanceState, trace: Option<String>) {
        let current = self.lock().incarnations.get(task).map(|current| current.number);
        if current == Some(incarnation) {
            self.task(task, state, trace);
        }
    }

    fn topic_used(&self, task: &TaskId, topic: &str) {
        if !self.topic_tracking {
            return;
        }
        {
            let mut queue = self.lock();
            let Some(incarnation) = queue.incarnations.get_mut(task) else { return };
            if incarnation.topics.iter().any(|known| known == topic) {
                return;
            }
            incarnation.topics.push(topic.to_owned());
        }
        self.put(StatusKey::Topic(task.clone(), topic.to_owned()), None);
    }
}

fn shortened(mut trace: String) -> String {
    if trace.len() > TRACE_BYTES {
        trace.truncate(trace.floor_char_boundary(TRACE_BYTES));
        trace.push_str(" ... (truncated)");
    }
    trace
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::Error;

    use super::*;
    use crate::membership::SingleWorker;

    /// Refuses writes while `away` is set.
    #[derive(Default)]
    struct Log {
        away: Mutex<bool>,
        refused: Notify,
        written: Mutex<Vec<(StatusKey, Option<InstanceState>)>>,
    }

    #[async_trait]
    impl StatusLog for Log {
        async fn put(&self, key: &StatusKey, status: Option<&Status>) -> Result<()> {
            if *self.away.lock() {
                self.refused.notify_one();
                return Err(Error::retriable("no broker"));
            }
            self.written.lock().push((key.clone(), status.map(|status| status.state)));
            Ok(())
        }
    }

    async fn with_log(test: impl AsyncFnOnce(&StatusWriter, &Log)) {
        let log = Arc::<Log>::default();
        let statuses = StatusWriter::with_store(
            Arc::clone(&log) as _,
            Arc::new(SingleWorker { generation: 1 }),
            "w".to_owned(),
            true,
            Redaction::default(),
        );
        tokio::select! {
            () = statuses.run() => {}
            () = test(&statuses, &log) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_could_not_be_written_is_written_when_it_can_be() {
        with_log(async |statuses, log| {
            let task = TaskId::new("c", 0);
            *log.away.lock() = true;
            statuses.task(&task, InstanceState::Failed, Some("no disk".to_owned()));
            for _ in 0..5 {
                log.refused.notified().await;
            }
            *log.away.lock() = false;
            while log.written.lock().is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(*log.written.lock(), [(StatusKey::Task(task), Some(InstanceState::Failed))]);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_states_of_one_subject_the_latest_is_written_once() {
        with_log(async |statuses, log| {
            *log.away.lock() = true;
            statuses.connector("gone", InstanceState::Running, None, None);
            statuses.connector("kept", InstanceState::Running, None, None);
            log.refused.notified().await;
            statuses.remove_connector("gone");
            statuses.connector("kept", InstanceState::Failed, None, None);
            *log.away.lock() = false;
            statuses.flush(Duration::from_secs(2)).await;
            let key = |name: &str| StatusKey::Connector(name.to_owned());
            let expected = [(key("gone"), None), (key("kept"), Some(InstanceState::Failed))];
            assert_eq!(*log.written.lock(), expected);
        })
        .await;
    }

    #[test]
    fn a_trace_is_cut_before_it_is_too_long_for_a_record() {
        assert_eq!(shortened("short".to_owned()), "short");
        let long = shortened("ä".repeat(1_000_000));
        assert!(long.len() < TRACE_BYTES + 100 && long.ends_with("truncated)"), "{}", long.len());
    }
}
