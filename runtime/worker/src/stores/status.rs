use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use tracing::warn;
use tributary_api::Result;
use tributary_control::{InstanceState, TaskId};
use tributary_kafka::{CompactedLog, LogRecord};

use super::log::{json, open};
use crate::settings::WorkerSettings;

/// The state of a connector or task, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The state.
    pub(crate) state: InstanceState,
    /// The error that failed it.
    #[serde(default)]
    pub(crate) trace: Option<String>,
    /// The worker that wrote it.
    pub(crate) worker_id: String,
    /// The group's generation when it was written.
    #[serde(default)]
    pub(crate) generation: i64,
    /// The plugin's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

/// The status topic and its content.
#[derive(Clone)]
pub(crate) struct StatusStore {
    log: CompactedLog,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connectors: BTreeMap<String, Status>,
    tasks: BTreeMap<TaskId, Status>,
    topics: BTreeMap<String, BTreeSet<String>>,
}

impl StatusStore {
    /// Opens the topic and reads it to its end.
    pub(crate) async fn open(settings: &WorkerSettings) -> Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let reader = Arc::clone(&state);
        let on_record = move |record| reader.lock().read(&record);
        let log = open(settings, &settings.topics.statuses, "statuses", Box::new(on_record)).await?;
        Ok(Self { log, state })
    }

    /// The status of a connector.
    pub(crate) fn connector(&self, name: &str) -> Option<Status> {
        self.lock().connectors.get(name).cloned()
    }

    /// The status of a task.
    pub(crate) fn task(&self, id: &TaskId) -> Option<Status> {
        self.lock().tasks.get(id).cloned()
    }

    /// All tasks of a connector that have a status.
    pub(crate) fn tasks(&self, connector: &str) -> Vec<(TaskId, Status)> {
        let state = self.lock();
        // Ordered by connector, so that only its own tasks are read.
        let tasks = state.tasks.range(TaskId::new(connector, 0)..=TaskId::new(connector, u32::MAX));
        tasks.map(|(id, status)| (id.clone(), status.clone())).collect()
    }

    /// The names of connectors that have a status or whose tasks have one.
    pub(crate) fn known_connectors(&self) -> BTreeSet<String> {
        let state = self.lock();
        state.connectors.keys().chain(state.tasks.keys().map(|id| &id.connector)).cloned().collect()
    }

    /// The topics a connector has used.
    pub(crate) fn topics(&self, connector: &str) -> Vec<String> {
        self.lock().topics.get(connector).into_iter().flatten().cloned().collect()
    }

    /// The highest generation anyone has written.
    pub(crate) fn generation(&self) -> i64 {
        let state = self.lock();
        let all = state.connectors.values().chain(state.tasks.values());
        all.map(|status| status.generation).max().unwrap_or_default()
    }

    /// Writes a connector's status; `None` removes it.
    pub(crate) async fn put_connector(&self, name: &str, status: Option<&Status>) -> Result<()> {
        let value = status.map(json).transpose()?;
        self.log.write(format!("status-connector-{name}"), value).await.map(drop)
    }

    /// The generation of the worker that wrote the last state of a task, as of now.
    pub(crate) async fn generation_of(&self, id: &TaskId) -> Result<i64> {
        self.refresh().await?;
        Ok(self.task(id).map_or(0, |status| status.generation))
    }

    /// Writes a task's status; `None` removes it. That a task has ended here is no news of one that runs elsewhere by now.
    pub(crate) async fn put_task(&self, id: &TaskId, status: Option<&Status>) -> Result<()> {
        if let Some(Status { state: InstanceState::Failed | InstanceState::Unassigned, generation, .. }) = status
            && self.task(id).is_some_and(|known| known.generation > *generation)
        {
            tracing::warn!(task = %id, "another worker runs the task: its state on this worker is not written");
            return Ok(());
        }
        let value = status.map(json).transpose()?;
        self.log.write(format!("status-task-{id}"), value).await.map(drop)
    }

    /// Records that a connector uses a topic.
    pub(crate) async fn put_topic(&self, id: &TaskId, topic: &str, now: i64) -> Result<()> {
        let record = TopicRecord {
            topic: TopicStatus {
                name: topic.to_owned(),
                connector: id.connector.clone(),
                task: id.task,
                discover_timestamp: now,
            },
        };
        self.log.write(topic_key(&id.connector, topic), Some(json(&record)?)).await.map(drop)
    }

    /// Removes the topics of a connector.
    pub(crate) async fn reset_topics(&self, connector: &str) -> Result<()> {
        for topic in self.topics(connector) {
            self.log.write(topic_key(connector, &topic), None).await?;
        }
        self.refresh().await
    }

    /// Reads what was written until now.
    pub(crate) async fn refresh(&self) -> Result<()> {
        self.log.read_to_end().await
    }

    /// Stops reading.
    pub(crate) async fn close(self) {
        self.log.close().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn read(&mut self, record: &LogRecord) {
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let value = record.value.as_deref();
        if let Some(id) = key.strip_prefix("status-topic-") {
            let Some((topic, connector)) = id.split_once(":connector-") else { return };
            let topics = self.topics.entry(connector.to_owned()).or_default();
            match value {
                Some(_) => drop(topics.insert(topic.to_owned())),
                None => drop(topics.remove(topic)),
            }
            return;
        }
        let status = match value.map(serde_json::from_slice::<Status>).transpose() {
            Ok(status) => status,
            // As in Kafka Connect, what was known before stays.
            Err(error) => {
                warn!(?key, partition = record.partition, offset = record.offset, %error, "unreadable status ignored");
                return;
            }
        };
        if let Some(name) = key.strip_prefix("status-connector-") {
            set(&mut self.connectors, name.to_owned(), status);
        } else if let Some(id) = key.strip_prefix("status-task-") {
            let Some((name, task)) = id.rsplit_once('-') else { return };
            let Ok(task) = task.parse() else { return };
            set(&mut self.tasks, TaskId::new(name, task), status);
        }
    }
}

/// `UNASSIGNED` from a worker that shut down after another took over must not replace the other one's `RUNNING`.
fn set<K: Ord>(states: &mut BTreeMap<K, Status>, key: K, status: Option<Status>) {
    let Some(status) = status else {
        states.remove(&key);
        return;
    };
    let outdated = status.state == InstanceState::Unassigned
        && states.get(&key).is_some_and(|old| {
            old.state == InstanceState::Running
                && old.worker_id != status.worker_id
                && old.generation >= status.generation
        });
    if !outdated {
        states.insert(key, status);
    }
}

fn topic_key(connector: &str, topic: &str) -> String {
    format!("status-topic-{topic}:connector-{connector}")
}

#[derive(Serialize)]
struct TopicRecord {
    topic: TopicStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicStatus {
    name: String,
    connector: String,
    task: u32,
    discover_timestamp: i64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(key: &str, value: Option<&str>) -> LogRecord {
        let bytes = |text: &str| bytes::Bytes::copy_from_slice(text.as_bytes());
        LogRecord { partition: 0, offset: 0, timestamp: None, key: Some(bytes(key)), value: value.map(bytes) }
    }

    #[test]
    fn an_unreadable_status_leaves_the_one_before_it_and_a_tombstone_removes_it() {
        let mut state = State::default();
        let running = r#"{"state":"RUNNING","trace":null,"worker_id":"a:8083","generation":1}"#;
        let keys = ["status-connector-clicks", "status-task-clicks-0"];
        let known = |state: &State| {
            (state.connectors.contains_key("clicks"), state.tasks.contains_key(&TaskId::new("clicks", 0)))
        };
        for key in keys {
            state.read(&record(key, Some(running)));
            for unreadable in ["garbage", r#"{"state":"BOGUS","worker_id":"a"}"#, "{}", ""] {
                state.read(&record(key, Some(unreadable)));
            }
        }
        assert_eq!(known(&state), (true, true));
        keys.iter().for_each(|key| state.read(&record(key, None)));
        assert_eq!(known(&state), (false, false));
    }
}
