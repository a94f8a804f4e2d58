use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tributary_api::{Props, Result};
use tributary_control::{RestartRequest, TargetState};
use tributary_kafka::{CompactedLog, LogRecord};

use super::config_state::ConfigState;
use super::log::{json, open};
use super::{ConnectorEntry, TaskGeneration};
use crate::definitions::MAX_TASKS;
use crate::settings::WorkerSettings;

/// Up to this size together, in bytes, task configurations are written in one batch with their commit record.
const MAX_BATCH_BYTES: usize = 128 * 1024;

/// A request that comes through the topic; it is acted on only if it is read while the worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigEvent {
    /// Restart a connector.
    Restart(String, RestartRequest),
    /// Set a logger's level on every worker.
    Logger(String, String),
}

/// The configuration topic. It has one partition, because the protocol depends on the order of records.
#[derive(Clone)]
pub(crate) struct ConfigStore {
    log: CompactedLog,
    view: Arc<ConfigView>,
}

/// A connector as its runner follows it; none once it is gone.
pub(crate) type ConnectorWatch = watch::Receiver<Option<Arc<ConnectorEntry>>>;

/// The current content of the topic, and who is notified: a change of one connector wakes only those who follow it.
#[derive(Default)]
struct ConfigView {
    state: Mutex<ConfigState>,
    followers: Mutex<HashMap<String, watch::Sender<Option<Arc<ConnectorEntry>>>>>,
    /// Counts the connectors that came and went.
    names: watch::Sender<u64>,
}

impl ConfigStore {
    /// Opens the topic and reads it to its end. Events are sent for records that come after.
    pub(crate) async fn open(settings: &WorkerSettings, events: mpsc::Sender<ConfigEvent>) -> Result<Self> {
        let view = Arc::<ConfigView>::default();
        // Requests read before the first read to the end is complete are old: no events are sent for them.
        let live = Arc::new(Mutex::new(None));
        let reader = ConfigReader { view: Arc::clone(&view), live: Arc::clone(&live) };
        let log =
            open(settings, &settings.topics.configs, "configs", Box::new(move |record| reader.read(record))).await?;
        *live.lock() = Some(events);
        Ok(Self { log, view })
    }

    /// A connector as the topic has it now; none when there is none of that name.
    pub(crate) fn connector(&self, name: &str) -> Option<Arc<ConnectorEntry>> {
        self.view.state().connectors.get(name).cloned()
    }

    /// The connectors there are, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.view.state().connectors.keys().cloned().collect()
    }

    /// Wakes whenever connectors come or go.
    pub(crate) fn watch_names(&self) -> watch::Receiver<u64> {
        self.view.names.subscribe()
    }

    /// Wakes those who watch the names, although no name has changed.
    pub(crate) fn wake_name_watchers(&self) {
        self.view.names.send_modify(|changes| *changes += 1);
    }

    /// Wakes whenever the topic changes one connector.
    pub(crate) fn follow(&self, name: &str) -> ConnectorWatch {
        let mut followers = self.view.followers();
        // The state is read under the followers' lock, under which changes are published too: otherwise a change
        // between reading and subscribing would be missed.
        let entry = self.connector(name);
        match followers.get(name) {
            Some(follower) => follower.subscribe(),
            None => {
                let (follower, followed) = watch::channel(entry);
                followers.insert(name.to_owned(), follower);
                followed
            }
        }
    }

    /// Reads everything written so far.
    pub(crate) async fn refresh(&self) -> Result<()> {
        self.log.read_to_end().await
    }

    /// Writes a connector; its target state first, so that it never runs in another, such as that of a former connector
    /// of this name that was removed by half.
    pub(crate) async fn put_connector(&self, name: &str, config: &Props, target: Option<TargetState>) -> Result<()> {
        let left_over = self.view.state().has_left_over_target(name).then(TargetState::default);
        if let Some(target) = target.or(left_over) {
            self.log.write(format!("target-state-{name}"), Some(json(&TargetRecord::from(target))?)).await?;
        }
        let value = json(&Properties { properties: config.clone() })?;
        self.log.write_and_read(vec![(format!("connector-{name}").into(), Some(value))]).await
    }

    /// Removes a connector with its target state.
    pub(crate) async fn remove_connector(&self, name: &str) -> Result<()> {
        let gone = [format!("connector-{name}"), format!("target-state-{name}")];
        self.log.write_and_read(gone.map(|key| (key.into(), None)).into()).await
    }

    /// Writes a connector's task configurations, then the commit record that makes them effective.
    pub(crate) async fn put_tasks(&self, connector: &str, tasks: &[Props]) -> Result<()> {
        let mut records: Vec<(Bytes, Option<Bytes>)> = Vec::with_capacity(tasks.len());
        for (number, task) in tasks.iter().enumerate() {
            let value = json(&Properties { properties: task.clone() })?;
            records.push((format!("task-{connector}-{number}").into(), Some(value)));
        }
        let commit = json(&Commit { tasks: tasks.len().try_into().unwrap_or(u32::MAX) })?;
        let size: usize = records.iter().filter_map(|(_, value)| Some(value.as_ref()?.len())).sum();
        // A large set is written before its commit record: if the broker refuses a record as too large, nothing is
        // committed.
        if size > MAX_BATCH_BYTES {
            self.log.write_all(std::mem::take(&mut records)).await?;
        }
        records.push((format!("commit-{connector}").into(), Some(commit)));
        self.log.write_and_read(records).await
    }

    /// Writes what is wanted of a connector.
    pub(crate) async fn put_target(&self, connector: &str, target: TargetState) -> Result<()> {
        let value = json(&TargetRecord::from(target))?;
        self.log.write_and_read(vec![(format!("target-state-{connector}").into(), Some(value))]).await
    }

    /// What is known of the transactional producers of a connector's tasks.
    pub(crate) fn generation(&self, connector: &str) -> TaskGeneration {
        self.view.state().generation(connector)
    }

    /// Records how many tasks of a connector write in transactions.
    pub(crate) async fn put_task_count(&self, connector: &str, count: u32) -> Result<()> {
        let value = json(&TaskCount { count })?;
        self.log.write_and_read(vec![(format!("tasks-fencing-{connector}").into(), Some(value))]).await
    }

    /// Requests a restart from the worker that runs the connector.
    pub(crate) async fn put_restart(&self, connector: &str, request: RestartRequest) -> Result<()> {
        let RestartRequest { include_tasks, only_failed } = request;
        let value = json(&Restart { include_tasks, only_failed })?;
        self.log.write(format!("restart-connector-{connector}"), Some(value)).await.map(drop)
    }

    /// Sets a logger's level on every worker.
    pub(crate) async fn put_logger(&self, logger: &str, level: &str) -> Result<()> {
        let value = json(&Logger { level: level.to_owned() })?;
        self.log.write(format!("logger-cluster-{logger}"), Some(value)).await.map(drop)
    }

    /// Stops reading.
    pub(crate) async fn close(self) {
        self.log.close().await;
    }
}

impl ConfigView {
    fn state(&self) -> MutexGuard<'_, ConfigState> {
        self.state.lock()
    }

    fn followers(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Option<Arc<ConnectorEntry>>>>> {
        self.followers.lock()
    }

    /// Applies one record and notifies those who follow its connector.
    fn read(&self, key: &str, record: &LogRecord) -> Result<Option<ConfigEvent>, &'static str> {
        let mut followers = self.followers();
        let (applied, entry, came_or_went) = {
            let mut state = self.state();
            let before = state.connectors.len();
            let applied = apply(&mut state, key, record.value.as_deref(), record.offset)?;
            let entry = match &applied {
                Applied::Connector(name) => state.connectors.get(name).cloned(),
                Applied::Nothing | Applied::Event(_) => None,
            };
            (applied, entry, state.connectors.len() != before)
        };
        let event = match applied {
            Applied::Nothing => None,
            Applied::Event(event) => Some(event),
            Applied::Connector(name) => {
                if let Some(follower) = followers.get(&name) {
                    let gone = entry.is_none();
                    follower.send_replace(entry);
                    if gone && follower.receiver_count() == 0 {
                        followers.remove(&name);
                    }
                }
                None
            }
        };
        drop(followers);
        if came_or_went {
            self.names.send_modify(|changes| *changes += 1);
        }
        Ok(event)
    }
}

/// What a record has changed.
enum Applied {
    Nothing,
    /// What is known of this connector.
    Connector(String),
    Event(ConfigEvent),
}

struct ConfigReader {
    view: Arc<ConfigView>,
    live: Arc<Mutex<Option<mpsc::Sender<ConfigEvent>>>>,
}

impl ConfigReader {
    fn read(&self, record: LogRecord) {
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        match self.view.read(&key, &record) {
            Ok(None) => {}
            Ok(Some(event)) => self.event(event),
            Err(reason) => {
                tracing::warn!(key = &*key, offset = record.offset, reason, "ignored a configuration record");
            }
        }
    }

    fn event(&self, event: ConfigEvent) {
        let live = self.live.lock().clone();
        if live.is_some_and(|events| events.blocking_send(event).is_err()) {
            tracing::debug!("the herder has stopped; a request of the configuration topic was not acted on");
        }
    }
}

/// Control characters are not allowed in a name: REST refuses them, and the operating system refuses them in thread
/// names.
fn named(name: &str) -> Result<&str, &'static str> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("the connector's name is empty or holds control characters");
    }
    Ok(name)
}

/// The order of the prefixes matters: connector names may hold any of them.
fn apply(state: &mut ConfigState, key: &str, value: Option<&[u8]>, offset: i64) -> Result<Applied, &'static str> {
    if let Some(name) = key.strip_prefix("target-state-") {
        let target = value.map(parse::<TargetRecord>).transpose()?.map(|record| record.target());
        state.put_target(named(name)?, target);
        return Ok(Applied::Connector(name.to_owned()));
    } else if let Some(name) = key.strip_prefix("connector-") {
        let config = value.map(parse::<Properties>).transpose()?.map(|record| record.properties);
        state.put_connector(named(name)?, config, offset);
        return Ok(Applied::Connector(name.to_owned()));
    } else if let Some(id) = key.strip_prefix("task-") {
        let (name, task) = id.rsplit_once('-').ok_or("no task number in the key")?;
        let task = task.parse().map_err(|_| "the task number in the key is not a number")?;
        let config = value.map(parse::<Properties>).transpose()?.map(|record| record.properties);
        if task >= MAX_TASKS {
            return Err("the task number is larger than a connector may have");
        }
        state.put_task(named(name)?, task, config);
    } else if let Some(name) = key.strip_prefix("commit-") {
        let commit: Commit = parse(value.ok_or("a commit record needs a value")?)?;
        if commit.tasks > MAX_TASKS {
            return Err("it commits more tasks than a connector may have");
        }
        state.commit_tasks(named(name)?, commit.tasks, offset);
        return Ok(Applied::Connector(name.to_owned()));
    } else if let (Some(name), Some(value)) = (key.strip_prefix("restart-connector-"), value) {
        let Restart { include_tasks, only_failed } = parse(value)?;
        let request = RestartRequest { include_tasks, only_failed };
        return Ok(Applied::Event(ConfigEvent::Restart(name.to_owned(), request)));
    } else if let (Some(logger), Some(value)) = (key.strip_prefix("logger-cluster-"), value) {
        return Ok(Applied::Event(ConfigEvent::Logger(logger.to_owned(), parse::<Logger>(value)?.level)));
    }
    if let (Some(name), Some(value)) = (key.strip_prefix("tasks-fencing-"), value) {
        let count = parse::<TaskCount>(value)?.count;
        if count > MAX_TASKS {
            return Err("it counts more tasks than a connector may have");
        }
        state.put_task_count(named(name)?, count);
    }
    // Session keys concern other workers of a cluster; they are left as they are.
    Ok(Applied::Nothing)
}

fn parse<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, &'static str> {
    serde_json::from_slice(value).map_err(|_| "the value is not the JSON that belongs to this key")
}

#[derive(Serialize, Deserialize)]
struct Properties {
    properties: Props,
}

#[derive(Serialize, Deserialize)]
struct Commit {
    tasks: u32,
}

#[derive(Serialize, Deserialize)]
struct TaskCount {
    #[serde(rename = "task-count")]
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Logger {
    level: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Restart {
    include_tasks: bool,
    only_failed: bool,
}

/// Workers before 3.5 read `state` and do not know `STOPPED`; newer ones read `state.v2`.
#[derive(Serialize, Deserialize)]
struct TargetRecord {
    state: TargetState,
    #[serde(rename = "state.v2")]
    newer: Option<TargetState>,
}

impl From<TargetState> for TargetRecord {
    fn from(target: TargetState) -> Self {
        let older = if target == TargetState::Stopped { TargetState::Paused } else { target };
        Self { state: older, newer: Some(target) }
    }
}

impl TargetRecord {
    fn target(&self) -> TargetState {
        self.newer.unwrap_or(self.state)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(state: &mut ConfigState, key: &str, value: &str) -> Result<(), &'static str> {
        apply(state, key, Some(value.as_bytes()), 1).map(drop)
    }

    #[test]
    fn an_invalid_record_is_refused_without_effect() {
        let mut state = ConfigState::default();
        let config = r#"{"properties":{"k":"v"}}"#;
        read(&mut state, "connector-c", config).unwrap();
        read(&mut state, "task-c-0", config).unwrap();
        read(&mut state, "commit-c", r#"{"tasks":1}"#).unwrap();
        for (key, value) in [
            ("commit-c", r#"{"tasks":4294967295}"#),
            ("commit-c", r#"{"tasks":4294967296}"#),
            ("commit-c", r#"{"tasks":-1}"#),
            ("task-c-4294967295", config),
            ("connector-a\0b", config),
            ("connector-", config),
            ("task-a\nb-0", config),
            ("target-state-a\u{1b}b", r#"{"state":"STARTED"}"#),
            ("commit-a\0b", r#"{"tasks":0}"#),
        ] {
            assert!(read(&mut state, key, value).is_err(), "{key} {value}");
        }
        assert_eq!(state.connectors.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(state.connectors["c"].tasks.len(), 1, "what was committed before goes on");
    }
}
