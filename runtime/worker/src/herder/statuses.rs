use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tributary_control::{InstanceState, TaskId};

use crate::membership::Membership;
use crate::stores::{Status, StatusStore};
use crate::tasks::TaskListener;

/// Writes states to the status topic, in the background. What waits is kept once for each subject, the latest state: so
/// that task threads never block here, and the queue is never longer than there are tasks.
pub(crate) struct Statuses {
    store: StatusStore,
    membership: Arc<dyn Membership>,
    worker_id: String,
    topic_tracking: bool,
    queue: Mutex<Queue>,
    changed: Notify,
    written: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Subject, Option<Status>>,
    /// Being written at this moment.
    writing: bool,
    /// The incarnation of each task that may report; an abandoned one may not.
    incarnations: BTreeMap<TaskId, Incarnation>,
}

struct Incarnation {
    number: u64,
    version: String,
    topics: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Connector(String),
    Task(TaskId),
    Topic(TaskId, String),
}

impl Statuses {
    pub(crate) fn new(
        store: StatusStore,
        membership: Arc<dyn Membership>,
        worker_id: String,
        topic_tracking: bool,
    ) -> Arc<Self> {
        let (queue, changed, written) = (Mutex::default(), Notify::new(), Notify::new());
        Arc::new(Self { store, membership, worker_id, topic_tracking, queue, changed, written })
    }

    /// Writes what waits, for ever; ends with the task that drives it.
    pub(super) async fn run(&self) {
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
            for (subject, status) in batch {
                self.write(&subject, status.as_ref()).await;
            }
            self.lock().writing = false;
        }
    }

    /// Waits until all that was reported before is written, but not for ever.
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
            tracing::warn!("states could not be written in time: they may show what was before");
        }
    }

    /// From now on this incarnation of a task may report.
    pub(super) fn admit(&self, task: &TaskId, number: u64, version: &str) {
        let incarnation = Incarnation { number, version: version.to_owned(), topics: Vec::new() };
        self.lock().incarnations.insert(task.clone(), incarnation);
    }

    /// From now on no incarnation of a task may report.
    pub(super) fn dismiss(&self, task: &TaskId) {
        self.lock().incarnations.remove(task);
    }

    pub(super) fn connector(&self, name: &str, state: InstanceState, trace: Option<String>, version: Option<String>) {
        self.put(Subject::Connector(name.to_owned()), Some(self.status(state, trace, version)));
    }

    pub(super) fn task(&self, id: &TaskId, state: InstanceState, trace: Option<String>) {
        let version = self.lock().incarnations.get(id).map(|incarnation| incarnation.version.clone());
        self.put(Subject::Task(id.clone()), Some(self.status(state, trace, version)));
    }

    pub(crate) fn remove_connector(&self, name: &str) {
        self.put(Subject::Connector(name.to_owned()), None);
    }

    pub(crate) fn remove_task(&self, id: &TaskId) {
        self.put(Subject::Task(id.clone()), None);
    }

    fn put(&self, subject: Subject, status: Option<Status>) {
        self.lock().waiting.insert(subject, status);
        self.changed.notify_one();
    }

    async fn write(&self, subject: &Subject, status: Option<&Status>) {
        let written = match subject {
            Subject::Connector(name) => self.store.put_connector(name, status).await,
            Subject::Task(id) => self.store.put_task(id, status).await,
            Subject::Topic(id, topic) => self.store.put_topic(id, topic, now()).await,
        };
        if let Err(error) = written {
            tracing::error!(?subject, %error, "cannot write a state: REST shows what was before");
        }
    }

    fn status(&self, state: InstanceState, trace: Option<String>, version: Option<String>) -> Status {
        let generation = self.membership.generation();
        Status { state, trace, worker_id: self.worker_id.clone(), generation, version }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskListener for Statuses {
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
        self.put(Subject::Topic(task.clone(), topic.to_owned()), None);
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
