use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tributary_api::{Props, Result};
use tributary_control::{RestartRequest, TargetState};
use tributary_kafka::{CompactedLog, LogRecord};

use super::ConfigState;
use super::log::{json, open};
use crate::settings::WorkerSettings;

/// A request that comes through the topic and counts only while it is fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigEvent {
    /// Restart a connector.
    Restart(String, RestartRequest),
    /// Set a logger's level on every worker.
    Logger(String, String),
}

/// The configuration topic: one partition, whose order is the protocol.
#[derive(Clone)]
pub(crate) struct ConfigStore {
    log: CompactedLog,
    state: watch::Receiver<Arc<ConfigState>>,
}

impl ConfigStore {
    /// Opens the topic and reads it to its end. Events are sent for records that come after.
    pub(crate) async fn open(settings: &WorkerSettings, events: mpsc::Sender<ConfigEvent>) -> Result<Self> {
        let (publish, state) = watch::channel(Arc::new(ConfigState::default()));
        // Nothing is live before the first read to the end is done.
        let live = Arc::new(Mutex::new(None));
        let reader = Reader { publish, live: Arc::clone(&live) };
        let log =
            open(settings, &settings.topics.configs, "configs", Box::new(move |record| reader.read(record))).await?;
        *live.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
        Ok(Self { log, state })
    }

    /// What the topic says now.
    pub(crate) fn snapshot(&self) -> Arc<ConfigState> {
        self.state.borrow().clone()
    }

    /// Wakes whenever the topic says something new.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<ConfigState>> {
        self.state.clone()
    }

    /// Reads what others have written until now.
    pub(crate) async fn refresh(&self) -> Result<()> {
        self.log.read_to_end().await
    }

    /// Writes a connector; its target state first, so that it never runs in another.
    pub(crate) async fn put_connector(&self, name: &str, config: &Props, target: Option<TargetState>) -> Result<()> {
        if let Some(target) = target {
            self.log.write(format!("target-state-{name}"), Some(json(&TargetRecord::from(target))?)).await?;
        }
        let value = json(&Properties { properties: config.clone() })?;
        self.log.write(format!("connector-{name}"), Some(value)).await?;
        self.refresh().await
    }

    /// Removes a connector with its target state.
    pub(crate) async fn remove_connector(&self, name: &str) -> Result<()> {
        self.log.write(format!("connector-{name}"), None).await?;
        self.log.write(format!("target-state-{name}"), None).await?;
        self.refresh().await
    }

    /// Writes a connector's tasks, then the record that makes them count.
    pub(crate) async fn put_tasks(&self, connector: &str, tasks: &[Props]) -> Result<()> {
        let mut records: Vec<(Bytes, Option<Bytes>)> = Vec::with_capacity(tasks.len());
        for (number, task) in tasks.iter().enumerate() {
            let value = json(&Properties { properties: task.clone() })?;
            records.push((format!("task-{connector}-{number}").into(), Some(value)));
        }
        self.log.write_all(records).await?;
        self.refresh().await?;
        let commit = json(&Commit { tasks: tasks.len().try_into().unwrap_or(u32::MAX) })?;
        self.log.write(format!("commit-{connector}"), Some(commit)).await?;
        self.refresh().await
    }

    /// Writes what is wanted of a connector.
    pub(crate) async fn put_target(&self, connector: &str, target: TargetState) -> Result<()> {
        self.log.write(format!("target-state-{connector}"), Some(json(&TargetRecord::from(target))?)).await?;
        self.refresh().await
    }

    /// Asks whoever runs a connector to restart it.
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

struct Reader {
    publish: watch::Sender<Arc<ConfigState>>,
    live: Arc<Mutex<Option<mpsc::Sender<ConfigEvent>>>>,
}

impl Reader {
    fn read(&self, record: LogRecord) {
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        // Readers of the state hold it only for moments: most often it is changed in place.
        self.publish.send_modify(|state| {
            let state = Arc::make_mut(state);
            state.offset = record.offset + 1;
            match apply(state, &key, record.value.as_deref(), record.offset) {
                Ok(None) => {}
                Ok(Some(event)) => self.event(event),
                Err(reason) => {
                    tracing::warn!(key = &*key, offset = record.offset, reason, "ignored a configuration record");
                }
            }
        });
    }

    fn event(&self, event: ConfigEvent) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if live.is_some_and(|events| events.blocking_send(event).is_err()) {
            tracing::debug!("the herder has stopped; a request of the configuration topic was not acted on");
        }
    }
}

/// The order of the prefixes matters: connector names may hold any of them.
fn apply(
    state: &mut ConfigState,
    key: &str,
    value: Option<&[u8]>,
    offset: i64,
) -> Result<Option<ConfigEvent>, &'static str> {
    if let Some(name) = key.strip_prefix("target-state-") {
        let target = value.map(parse::<TargetRecord>).transpose()?.map(|record| record.target());
        state.put_target(name, target);
    } else if let Some(name) = key.strip_prefix("connector-") {
        let config = value.map(parse::<Properties>).transpose()?.map(|record| record.properties);
        state.put_connector(name, config, offset);
    } else if let Some(id) = key.strip_prefix("task-") {
        let (name, task) = id.rsplit_once('-').ok_or("no task number in the key")?;
        let task = task.parse().map_err(|_| "the task number in the key is not a number")?;
        let config = value.map(parse::<Properties>).transpose()?.map(|record| record.properties);
        state.put_task(name, task, config);
    } else if let Some(name) = key.strip_prefix("commit-") {
        let commit: Commit = parse(value.ok_or("a commit record needs a value")?)?;
        state.commit_tasks(name, commit.tasks, offset);
    } else if let (Some(name), Some(value)) = (key.strip_prefix("restart-connector-"), value) {
        let Restart { include_tasks, only_failed } = parse(value)?;
        return Ok(Some(ConfigEvent::Restart(name.to_owned(), RestartRequest { include_tasks, only_failed })));
    } else if let (Some(logger), Some(value)) = (key.strip_prefix("logger-cluster-"), value) {
        return Ok(Some(ConfigEvent::Logger(logger.to_owned(), parse::<Logger>(value)?.level)));
    }
    // Session keys and fencing records concern other workers of a cluster; they are left as they are.
    Ok(None)
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
