//! Answers the requests of clients: implements [`Herder`] over the stores and the runners.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tributary_api::{ConfigKey, Factory, PluginAnswer, PluginKind, PluginRequest, Props};
use tributary_control::{
    ActiveTopics, ConnectorInfo, ConnectorOffsets, ConnectorPatch, ConnectorState, ConnectorStatus, ConnectorType,
    CreateRequest, Created, Error, Health, HealthStatus, Herder, Loggers, PluginInfo, Processing, Progress,
    RestartRequest, Result, Stage, Status as HttpStatus, TargetState, TaskId, TaskInfo, TaskState, TaskStatus,
    ValidationResult, WorkerInfo,
};

use super::message::RunnerMessage;
use super::runners::Runners;
use super::stages::Stages;
use super::{offsets, plugin_listing, transform_requests};
use crate::loggers::{LoggerControl, LoggerRefusal};
use crate::processor;
use crate::stores::{ConnectorEntry, Status, StatusStore};
use crate::validation::Validator;

const VALIDATING: &str = "validating connector configuration";

/// The herder of a worker whose state is in three compacted topics.
pub(crate) struct ClusterHerder {
    pub(crate) info: WorkerInfo,
    pub(crate) runners: Arc<Runners>,
    pub(crate) status_store: StatusStore,
    pub(crate) validator: Validator,
    pub(crate) loggers: Arc<dyn LoggerControl>,
    /// Held by requests that read and then write the configuration.
    pub(crate) writes: Mutex<()>,
    pub(crate) stages: Stages,
}

#[async_trait]
impl Herder for ClusterHerder {
    fn worker_info(&self) -> WorkerInfo {
        self.info.clone()
    }

    async fn health(&self) -> Health {
        let refreshed = self.runners.context.configs.refresh();
        let (status, message) = match self.stages.during("reading to the end of the config topic", refreshed).await {
            Ok(()) => (HealthStatus::Healthy, "Worker has completed startup and is ready to handle requests."),
            Err(_) => (
                HealthStatus::Unhealthy,
                "Worker was unable to handle this request and may be unable to handle other requests.",
            ),
        };
        Health { status, message: message.to_owned() }
    }

    fn stage(&self) -> Option<Stage> {
        self.stages.current()
    }

    async fn connectors(&self) -> Result<Vec<String>> {
        Ok(self.runners.context.configs.names())
    }

    async fn connector(&self, name: &str) -> Result<ConnectorInfo> {
        self.info_of(name)
    }

    async fn create(&self, request: CreateRequest) -> Result<ConnectorInfo> {
        let CreateRequest { name, config, initial_state } = request;
        self.ensure_valid(&config).await?;
        let _write_lock = self.writes.lock().await;
        if self.connector_entry(&name).is_some() {
            return Err(Error::conflict(format!("Connector {name} already exists")));
        }
        self.write_connector(&name, &config, initial_state).await?;
        self.new_info(&name)
    }

    async fn put_config(&self, name: &str, config: Props) -> Result<Created> {
        self.ensure_valid(&config).await?;
        let _write_lock = self.writes.lock().await;
        let created = self.connector_entry(name).is_none();
        self.write_connector(name, &config, None).await?;
        let info = if created { self.new_info(name) } else { self.info_of(name) };
        Ok(Created { created, info: info? })
    }

    async fn patch_config(&self, name: &str, patch: ConnectorPatch) -> Result<ConnectorInfo> {
        let mut config = self.entry(name)?.config.clone();
        for (property, value) in patch {
            match value {
                Some(value) => drop(config.insert(property, value)),
                None => drop(config.remove(&property)),
            }
        }
        // The name is not added again: a patch that removes it is refused.
        self.ensure_valid(&config).await?;
        let _write_lock = self.writes.lock().await;
        self.write_connector(name, &config, None).await?;
        self.connector(name).await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let _write_lock = self.writes.lock().await;
        self.entry(name)?;
        let what = format!("removing the config for connector {name} from the config topic");
        Ok(self.stages.during(what, self.runners.context.configs.remove_connector(name)).await?)
    }

    async fn status(&self, name: &str) -> Result<ConnectorStatus> {
        let none = || Error::not_found(format!("No status found for connector {name}"));
        let entry = self.connector_entry(name).ok_or_else(none)?;
        let status = self.status_store.connector(name).ok_or_else(none)?;
        let Status { state, trace, worker_id, version, .. } = status;
        let tasks = self.status_store.tasks(name).into_iter().map(|(id, status)| task_state(&id, status)).collect();
        let connector = ConnectorState { state, worker_id, trace, version };
        Ok(ConnectorStatus { name: name.to_owned(), connector, tasks, kind: self.kind(&entry.config) })
    }

    async fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>> {
        let tasks = self.entry(name)?.tasks.clone();
        Ok(tasks.into_iter().map(|(number, config)| TaskInfo { id: TaskId::new(name, number), config }).collect())
    }

    async fn task_status(&self, task: &TaskId) -> Result<TaskStatus> {
        let status = self.status_store.task(task);
        let status = status.ok_or_else(|| Error::not_found(format!("No status found for task {task}")))?;
        Ok(task_state(task, status))
    }

    async fn restart_task(&self, task: &TaskId) -> Result<()> {
        self.request_task_restart(task).await
    }

    async fn restart(&self, name: &str, request: RestartRequest) -> Result<Option<ConnectorStatus>> {
        self.request_restart(name, request).await
    }

    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<()> {
        let _write_lock = self.writes.lock().await;
        // Without the colon of the other messages, as in Connect.
        self.ensure_known(name).map_err(|_| Error::not_found(format!("Unknown connector {name}")))?;
        let configs = &self.runners.context.configs;
        let written = async {
            if target == TargetState::Stopped {
                configs.put_tasks(name, &[]).await?;
            }
            configs.put_target(name, target).await
        };
        let what = format!("writing the target state for connector {name} to the config topic");
        let written = self.stages.during(what, written).await;
        if written.is_err() && target == TargetState::Stopped {
            // The empty list of tasks may have been written, but not the target state: the tasks are planned again.
            self.runners.send(name, RunnerMessage::Reconfigure).await;
        }
        Ok(written?)
    }

    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets> {
        let read = offsets::read(&self.runners.context, name);
        self.stages.during(format!("reading offsets for connector {name}"), read).await
    }

    async fn alter_offsets(&self, name: &str, request: ConnectorOffsets) -> Result<String> {
        let _write_lock = self.writes.lock().await;
        let altered = offsets::alter(&self.runners.context, name, request);
        self.stages.during(format!("modifying offsets for connector {name}"), altered).await
    }

    async fn reset_offsets(&self, name: &str) -> Result<String> {
        let _write_lock = self.writes.lock().await;
        let reset = offsets::reset(&self.runners.context, name);
        self.stages.during(format!("modifying offsets for connector {name}"), reset).await
    }

    async fn topics(&self, name: &str) -> Result<ActiveTopics> {
        if !self.validator.settings.topic_tracking {
            return Err(Error::new(HttpStatus::Forbidden, "Topic tracking is disabled."));
        }
        Ok(ActiveTopics { topics: self.status_store.topics(name) })
    }

    async fn reset_topics(&self, name: &str) -> Result<()> {
        if !self.validator.settings.topic_tracking {
            return Err(Error::new(HttpStatus::Forbidden, "Topic tracking is disabled."));
        }
        if !self.validator.settings.topic_tracking_reset {
            return Err(Error::new(HttpStatus::Forbidden, "Topic tracking reset is disabled."));
        }
        Ok(self.status_store.reset_topics(name).await?)
    }

    async fn processing(&self, name: &str) -> Result<Processing> {
        let context = &self.runners.context;
        let config = self.entry(name)?.config.clone();
        if !matches!(context.plugin(&config)?.factory, Factory::Processor) {
            return Err(Error::not_found(format!("Connector {name} is not a processor")));
        }
        let config = context.transformer.resolve_async(&config).await?;
        processor::processing(&config, &context.settings).map_err(|error| {
            let error = Error::from(error);
            Error::new(error.status, context.transformer.redaction().apply(&error.message))
        })
    }

    async fn progress(&self, name: &str) -> Result<Progress> {
        self.entry(name)?;
        Ok(self.runners.context.metrics.progress(name))
    }

    async fn transform_request(&self, name: &str, alias: &str, request: PluginRequest) -> Result<PluginAnswer> {
        let config = self.entry(name)?.config.clone();
        transform_requests::answer(&self.runners.context, &config, alias, request).await
    }

    async fn plugins(&self, connectors_only: bool) -> Result<Vec<PluginInfo>> {
        Ok(plugin_listing::list(&self.validator.plugins, connectors_only))
    }

    async fn plugin_config(&self, name: &str, version: Option<&str>) -> Result<Vec<ConfigKey>> {
        plugin_listing::config_keys(&self.validator.plugins, name, version)
    }

    async fn validate(&self, plugin: &str, config: Props) -> Result<ValidationResult> {
        let short = |class: &str| class.strip_suffix("Connector").unwrap_or(class).to_owned();
        if let Some(class) = config.get("connector.class")
            && !short(class).ends_with(&short(plugin))
        {
            return Err(Error::bad_request(format!(
                "Included connector type {class} does not match request type {plugin}"
            )));
        }
        self.stages.during(VALIDATING, self.validator.validate(&config)).await
    }

    async fn loggers(&self) -> Result<Loggers> {
        Ok(self.loggers.levels())
    }

    async fn set_logger(&self, logger: &str, level: &str, cluster: bool) -> Result<Vec<String>> {
        let to_error = |refusal| match refusal {
            LoggerRefusal::NoLevel => Error::not_found(format!("invalid log level '{level}'.")),
            refusal => Error::bad_request(refusal.to_string()),
        };
        if cluster {
            // A level that this worker refuses is not written to the topic either.
            self.loggers.check(logger, level).map_err(to_error)?;
            self.runners.context.configs.put_logger(logger, level).await?;
            return Ok(Vec::new());
        }
        self.loggers.set(logger, level).map_err(to_error)
    }
}

impl ClusterHerder {
    pub(super) fn connector_entry(&self, name: &str) -> Option<Arc<ConnectorEntry>> {
        self.runners.context.configs.connector(name)
    }

    async fn ensure_valid(&self, config: &Props) -> Result<()> {
        self.stages.during(VALIDATING, self.validator.ensure_valid(config)).await
    }

    async fn write_connector(&self, name: &str, config: &Props, target: Option<TargetState>) -> Result<()> {
        let what = format!("writing a config for connector {name} to the config topic");
        Ok(self.stages.during(what, self.runners.context.configs.put_connector(name, config, target)).await?)
    }

    fn entry(&self, name: &str) -> Result<Arc<ConnectorEntry>> {
        self.connector_entry(name).ok_or_else(|| Error::not_found(format!("Connector {name} not found")))
    }

    pub(super) fn ensure_known(&self, name: &str) -> Result<()> {
        match self.connector_entry(name).is_some() {
            true => Ok(()),
            false => Err(Error::not_found(format!("Unknown connector: {name}"))),
        }
    }

    fn info_of(&self, name: &str) -> Result<ConnectorInfo> {
        let entry = self.entry(name)?;
        Ok(ConnectorInfo {
            name: name.to_owned(),
            config: entry.config.clone(),
            tasks: entry.task_ids(name),
            kind: self.kind(&entry.config),
        })
    }

    /// A connector that was just created: answered without tasks, as in Connect, even if its runner has already written
    /// some.
    fn new_info(&self, name: &str) -> Result<ConnectorInfo> {
        Ok(ConnectorInfo { tasks: Vec::new(), ..self.info_of(name)? })
    }

    fn kind(&self, config: &Props) -> ConnectorType {
        let plugin = self.runners.context.plugin(config);
        match plugin.map(|plugin| plugin.description.kind) {
            Ok(PluginKind::Source) => ConnectorType::Source,
            // Clients know only two types, and a processor's offsets are a sink's.
            Ok(PluginKind::Sink | PluginKind::Processor) => ConnectorType::Sink,
            _ => ConnectorType::Unknown,
        }
    }
}

fn task_state(id: &TaskId, status: Status) -> TaskState {
    let Status { state, trace, worker_id, version, .. } = status;
    TaskState { id: id.task, state, worker_id, trace, version }
}
