use std::collections::BTreeMap;

use async_trait::async_trait;
use tributary_api::{ConfigKey, PluginAnswer, PluginRequest, Props};

use crate::{
    ActiveTopics, ConnectorInfo, ConnectorOffsets, ConnectorStatus, Created, Error, Health, Loggers, PluginInfo,
    Processing, Progress, Result, Stage, TargetState, TaskId, TaskInfo, TaskStatus, ValidationResult, WorkerInfo,
};

/// Changes to a configuration: a value to set, or `None` to remove.
pub type ConnectorPatch = BTreeMap<String, Option<String>>;

/// A connector to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// The name.
    pub name: String,
    /// The configuration, with its `name`.
    pub config: Props,
    /// The state to begin with.
    pub initial_state: Option<TargetState>,
}

/// What to restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartRequest {
    /// The tasks too.
    pub include_tasks: bool,
    /// Only what has failed.
    pub only_failed: bool,
}

/// A worker, as its clients see it. The errors of each call are those of Kafka Connect's REST API, in kind and text.
///
/// No call waits for plugin code without a deadline.
#[async_trait]
pub trait Herder: Send + Sync {
    /// Version and cluster.
    fn worker_info(&self) -> WorkerInfo;

    /// Whether requests will be answered. How long it may take to say so is the caller's to decide.
    async fn health(&self) -> Health;

    /// What it is doing: the stage that has been running longest, otherwise the last one that was completed.
    fn stage(&self) -> Option<Stage> {
        None
    }

    /// The names of all connectors.
    async fn connectors(&self) -> Result<Vec<String>>;

    /// Configuration and tasks of a connector.
    async fn connector(&self, name: &str) -> Result<ConnectorInfo>;

    /// Creates a connector; it must not exist.
    async fn create(&self, request: CreateRequest) -> Result<ConnectorInfo>;

    /// Sets the whole configuration, with its `name` in it, creating the connector if need be.
    async fn put_config(&self, name: &str, config: Props) -> Result<Created>;

    /// Changes some of the configuration.
    async fn patch_config(&self, name: &str, patch: ConnectorPatch) -> Result<ConnectorInfo>;

    /// Removes a connector; its offsets stay.
    async fn delete(&self, name: &str) -> Result<()>;

    /// The states of a connector and its tasks.
    async fn status(&self, name: &str) -> Result<ConnectorStatus>;

    /// The tasks with their configurations as written.
    async fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>>;

    /// The state of a task.
    async fn task_status(&self, task: &TaskId) -> Result<TaskStatus>;

    /// Restarts a task.
    async fn restart_task(&self, task: &TaskId) -> Result<()>;

    /// Restarts the connector alone and waits (neither option set: answers nothing), or plans a restart and answers
    /// the states with what will restart shown so.
    async fn restart(&self, name: &str, request: RestartRequest) -> Result<Option<ConnectorStatus>>;

    /// Sets the target state of a connector.
    async fn set_target_state(&self, name: &str, state: TargetState) -> Result<()>;

    /// The stored offsets.
    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets>;

    /// Changes stored offsets of a stopped connector; answers the message to show.
    async fn alter_offsets(&self, name: &str, offsets: ConnectorOffsets) -> Result<String>;

    /// Removes all stored offsets of a stopped connector; answers the message to show.
    async fn reset_offsets(&self, name: &str) -> Result<String>;

    /// The topics a connector has used; an unknown connector has used none.
    async fn topics(&self, name: &str) -> Result<ActiveTopics>;

    /// Removes the topics that a connector has used.
    async fn reset_topics(&self, name: &str) -> Result<()>;

    /// The guarantee of a processor; 404 for a connector of another kind.
    async fn processing(&self, name: &str) -> Result<Processing>;

    /// How far a connector's plugins are with their work.
    async fn progress(&self, name: &str) -> Result<Progress>;

    /// Passes a request on to a transform of a connector, which is named by its alias.
    async fn transform_request(&self, _name: &str, alias: &str, _request: PluginRequest) -> Result<PluginAnswer> {
        Err(Error::not_found(format!("transforms.{alias} answers no requests")))
    }

    /// The plugins, connectors only or all kinds.
    async fn plugins(&self, connectors_only: bool) -> Result<Vec<PluginInfo>>;

    /// The properties of a plugin of any kind; with a version, a range as Maven writes them, of one that is within it.
    async fn plugin_config(&self, plugin: &str, version: Option<&str>) -> Result<Vec<ConfigKey>>;

    /// Checks a configuration.
    async fn validate(&self, plugin: &str, config: Props) -> Result<ValidationResult>;

    /// The loggers whose level was set.
    async fn loggers(&self) -> Result<Loggers>;

    /// Sets the level of a logger and those below it, on this worker or on the whole cluster; answers the names.
    async fn set_logger(&self, logger: &str, level: &str, cluster: bool) -> Result<Vec<String>>;
}
