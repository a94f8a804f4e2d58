//! What the worker answers. The fields and their order are those of Kafka Connect's REST API.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tributary_api::{ConfigKey, ConfigValue, Props};

use crate::InstanceState;

/// `GET /`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// The version of Kafka Connect that the API is compatible with.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// The Kafka cluster's id.
    pub kafka_cluster_id: String,
}

/// How far the worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Not ready yet.
    Starting,
    /// Ready.
    Healthy,
    /// Does not answer in time.
    Unhealthy,
}

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// How far the worker is.
    pub status: HealthStatus,
    /// The same for people.
    pub message: String,
}

/// The kind of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorType {
    /// It writes to Kafka.
    Source,
    /// It reads from Kafka.
    Sink,
    /// Its plugin is unknown.
    Unknown,
}

/// A task of a connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The connector.
    pub connector: String,
    /// The number, from 0.
    pub task: u32,
}

impl TaskId {
    /// A task of a connector.
    pub fn new(connector: impl Into<String>, task: u32) -> Self {
        Self { connector: connector.into(), task }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// `GET /connectors/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorInfo {
    /// The name.
    pub name: String,
    /// The configuration as written, variables not resolved.
    pub config: Props,
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: ConnectorType,
}

/// A connector that was written, and whether it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Whether there was none of that name.
    pub created: bool,
    /// The connector.
    pub info: ConnectorInfo,
}

/// `GET /connectors/{name}/tasks`, one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Which.
    pub id: TaskId,
    /// Its configuration as written.
    pub config: Props,
}

/// The connector in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorState {
    /// The state.
    pub state: InstanceState,
    /// The worker's advertised host and port.
    pub worker_id: String,
    /// The plugin's version; null when it did not get so far.
    pub version: Option<String>,
    /// The error that failed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// A task in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// The number.
    pub id: u32,
    /// The state.
    pub state: InstanceState,
    /// The worker's advertised host and port.
    pub worker_id: String,
    /// The plugin's version; null when it did not get so far.
    pub version: Option<String>,
    /// The error that failed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// `GET /connectors/{name}/tasks/{task}/status`.
pub type TaskStatus = TaskState;

/// `GET /connectors/{name}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorStatus {
    /// The name.
    pub name: String,
    /// The connector.
    pub connector: ConnectorState,
    /// The tasks, by number.
    pub tasks: Vec<TaskState>,
    /// The kind.
    #[serde(rename = "type")]
    pub kind: ConnectorType,
}

/// `GET /connectors/{name}/topics`: the connector's name to its topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveTopics {
    /// Topics in use since the last reset.
    pub topics: Vec<String>,
}

/// `GET /connectors/{name}/processing`, which is not part of Connect's API: the guarantee of a processor, and its
/// reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processing {
    /// The connector's name.
    pub name: String,
    /// `exactly_once` or `at_least_once`.
    pub guarantee: String,
    /// Why it is that one.
    pub reason: String,
    /// Where its state is between commits and restores: `memory` or `redb`.
    pub state_store: String,
}

/// `GET /connectors/{name}/progress`, which is not part of Connect's API: how far a connector's plugins are with their work,
/// by the metrics that they register. It covers what runs on this worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The connector's name.
    pub name: String,
    /// What the connector itself measures.
    pub metrics: Vec<Measure>,
    /// The tasks that run.
    pub tasks: Vec<TaskProgress>,
}

/// The progress of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// The task's number.
    pub id: u32,
    /// What the task's plugins measure.
    pub metrics: Vec<Measure>,
}

/// A plugin's metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The name that the plugin gave it.
    pub name: String,
    /// The tags, without those of the connector and the task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// `GET /connector-plugins`, one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// The full class name.
    pub class: String,
    /// `source`, `sink`, `transformation`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What `/validate` found: definitions with values, in order. REST turns it into Connect's JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidationResult {
    /// The class as asked for.
    pub name: String,
    /// How many properties have errors.
    pub error_count: usize,
    /// The headings.
    pub groups: Vec<String>,
    /// A definition (none for an undefined property) and its value.
    pub configs: Vec<(Option<ConfigKey>, ConfigValue)>,
}

/// `GET /admin/loggers`: logger to level.
pub type Loggers = IndexMap<String, LoggerLevel>;

/// A logger's level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerLevel {
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// When it was last changed, in milliseconds since the epoch.
    pub last_modified: Option<i64>,
}

/// What the worker is doing, shown when a request takes too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What it does, to follow "is currently".
    pub description: String,
    /// When it began, as an ISO 8601 instant.
    pub began: String,
    /// When it was done, if it is.
    pub completed: Option<String>,
}
