//! One connector: compares its wanted state in the configuration topic with what is running, and reconciles them after
//! every change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tributary_api::{Backoff, Error, Props, Result};
use tributary_control::{InstanceState, RestartRequest, TargetState};

use super::context::HerderContext;
use super::instance::{ConnectorInstance, PlanError};
use super::message::RunnerMessage;
use super::task_set::TaskSet;
use crate::stores::{ConnectorEntry, ConnectorWatch};

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Runs one connector until it is deleted or the worker stops.
pub(super) struct Runner {
    name: String,
    context: Arc<HerderContext>,
    inbox: mpsc::Receiver<RunnerMessage>,
    /// Given to the connector's context; a runner never sends to itself.
    sender: mpsc::Sender<RunnerMessage>,
    changes: ConnectorWatch,
    current: CurrentInstance,
    tasks: TaskSet,
    /// Whether the running instance has been asked for its task configurations.
    planned: bool,
    /// When to ask for them again.
    retry: Option<Duration>,
    backoff: Backoff,
}

/// The current state of the connector's own instance.
#[derive(Default)]
struct CurrentInstance {
    instance: Option<ConnectorInstance>,
    /// The revision of the configuration and the target state that it was started for.
    revision: Option<(i64, TargetState)>,
    failed: bool,
}

impl Runner {
    pub(super) fn new(
        name: String,
        context: Arc<HerderContext>,
        sender: mpsc::Sender<RunnerMessage>,
        inbox: mpsc::Receiver<RunnerMessage>,
    ) -> Self {
        let (changes, tasks) = (context.configs.follow(&name), TaskSet::new(name.clone(), Arc::clone(&context)));
        let (current, backoff) = (CurrentInstance::default(), Backoff::new(FIRST_RETRY, LAST_RETRY));
        Self { name, context, inbox, sender, changes, current, tasks, planned: false, retry: None, backoff }
    }

    /// Runs until the connector is gone from the configuration, or a shutdown.
    pub(super) async fn run(mut self) {
        loop {
            let entry = self.changes.borrow_and_update().clone();
            let Some(entry) = entry else {
                // A connector of the same name that is created meanwhile gets another runner.
                self.inbox.close();
                self.remove().await;
                return;
            };
            self.reconcile(&entry).await;
            tokio::select! {
                // A new configuration or target state, or the connector was deleted. An error: the worker is stopping.
                changed = self.changes.changed() => if changed.is_err() { return },
                // Restart, shutdown and other requests.
                message = self.inbox.recv() => match message {
                    Some(RunnerMessage::Shutdown(done)) => {
                        self.shut_down().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(message) => self.handle(message).await,
                    None => return,
                },
                // What failed at the last attempt is due again.
                () = sleep(self.retry) => {}
                // A failed task is to be restarted by the configured policy.
                task = self.tasks.next_restart() => self.restart_failed_task(task).await,
            }
        }
    }

    async fn reconcile(&mut self, entry: &ConnectorEntry) {
        if self.current.revision != Some((entry.revision, entry.target)) {
            self.restart_instance(&entry.config, entry.revision, entry.target).await;
        }
        if entry.target == TargetState::Started
            && self.current.instance.is_some()
            && !self.planned
            && !self.current.failed
        {
            self.plan(entry).await;
        }
        // `plan` may have written new tasks: read the entry again.
        let Some(entry) = self.entry() else { return };
        if entry.target == TargetState::Stopped || entry.inconsistent {
            self.tasks.remove_all().await;
        } else {
            self.tasks.reconcile(&entry).await;
        }
    }

    async fn handle(&mut self, message: RunnerMessage) {
        match message {
            RunnerMessage::RestartConnector(answer) => {
                let restarted = self.restart_connector().await;
                let _ = answer.send(restarted);
            }
            RunnerMessage::RestartTask(task, answer) => {
                if let Some(entry) = self.entry() {
                    self.tasks.restart(&[task], &entry).await;
                }
                let _ = answer.send(Ok(()));
            }
            RunnerMessage::Restart(request) => self.restart(request).await,
            RunnerMessage::Reconfigure => self.planned = false,
            RunnerMessage::ConnectorFailed(error) => self.fail(&error),
            RunnerMessage::Shutdown(done) => {
                let _ = done.send(());
            }
        }
    }

    /// The connector's current entry in the topic.
    fn entry(&self) -> Option<Arc<ConnectorEntry>> {
        self.changes.borrow().clone()
    }

    /// Restarts a failed task.
    async fn restart_failed_task(&mut self, task: u32) {
        if let Some(entry) = self.entry() {
            self.tasks.restart_failed(task, &entry).await;
        }
    }

    async fn restart_connector(&mut self) -> Result<()> {
        let Some(entry) = self.entry() else { return Ok(()) };
        self.restart_instance(&entry.config, entry.revision, entry.target).await;
        if self.current.failed {
            return Err(Error::fatal(format!("Failed to start connector: {}", self.name)));
        }
        Ok(())
    }

    async fn restart(&mut self, request: RestartRequest) {
        let Some(entry) = self.entry() else { return };
        if !request.only_failed || self.current.failed {
            self.context.status_writer.connector(&self.name, InstanceState::Restarting, None, None);
            self.restart_instance(&entry.config, entry.revision, entry.target).await;
        }
        if request.include_tasks {
            let tasks = self.tasks.restartable(request.only_failed);
            self.tasks.restart(&tasks, &entry).await;
        }
    }

    /// Stops the instance and, if it is to run, starts a new one. Stops waiting when the configuration changes
    /// meanwhile: a plugin that does not answer is abandoned.
    async fn restart_instance(&mut self, config: &Props, revision: i64, target: TargetState) {
        if let Some(instance) = self.current.instance.take() {
            self.stop_instance(instance).await;
        }
        self.planned = false;
        self.no_retry();
        self.current = CurrentInstance { instance: None, revision: Some((revision, target)), failed: false };
        let version = self.context.plugin(config).ok().map(|plugin| plugin.description.version.clone());
        let state = match target {
            TargetState::Started => InstanceState::Running,
            TargetState::Paused => InstanceState::Paused,
            TargetState::Stopped => InstanceState::Stopped,
        };
        if target == TargetState::Started {
            let mut changes = self.changes.clone();
            let superseded = async move {
                let outdated = |entry: &Option<Arc<ConnectorEntry>>| {
                    entry.as_ref().is_none_or(|entry| (entry.revision, entry.target) != (revision, target))
                };
                drop(changes.wait_for(outdated).await);
            };
            let started = tokio::select! {
                started = self.start_instance(config) => started,
                // A newer configuration or target state makes this start pointless: the loop acts on the new one.
                () = superseded => return,
            };
            match started {
                Ok(instance) => self.current.instance = Some(instance),
                Err(error) => return self.fail(&error),
            }
        }
        self.context.status_writer.connector(&self.name, state, None, version);
    }

    async fn start_instance(&self, config: &Props) -> Result<ConnectorInstance> {
        let plugin = self.context.plugin(config)?;
        let config = self.context.parse(config).await?;
        let (name, executor) = (&self.name, &self.context.settings.executor);
        let metrics = self.context.metrics.add_connector(name);
        let started =
            ConnectorInstance::start(name, plugin, config.props, metrics, executor, self.sender.clone()).await;
        started.inspect_err(|_| self.context.metrics.remove_connector(name))
    }

    async fn stop_instance(&self, instance: ConnectorInstance) {
        instance.stop(&self.name).await;
        self.context.metrics.remove_connector(&self.name);
    }

    /// Asks the connector for its task configurations and writes them if they, or the connector's own configuration,
    /// differ from those last committed.
    async fn plan(&mut self, entry: &ConnectorEntry) {
        match self.try_plan(entry).await {
            Ok(()) => {
                self.planned = true;
                self.no_retry();
            }
            Err(PlanError::TooManyTasks(error)) => self.fail(&error),
            Err(PlanError::NotYet(error)) => {
                let wait = self.backoff.next_wait();
                tracing::warn!(connector = self.name, %error, ?wait, "cannot plan the tasks yet");
                self.retry = Some(wait);
            }
        }
    }

    async fn try_plan(&self, entry: &ConnectorEntry) -> Result<(), PlanError> {
        let Some(instance) = &self.current.instance else { return Ok(()) };
        let config = self.context.parse(&entry.config).await?;
        let tasks = instance.task_configs(&self.name, &config).await?;
        let tasks: Vec<Props> = tasks.into_iter().map(|task| unresolved(task, &entry.config, &config.props)).collect();
        let same_tasks = entry.tasks.values().eq(tasks.iter()) && !entry.inconsistent;
        if same_tasks && entry.applied.as_ref() == Some(&entry.config) && entry.tasks_revision > entry.revision {
            return Ok(());
        }
        Ok(self.context.configs.put_tasks(&self.name, &tasks).await?)
    }

    fn fail(&mut self, error: &Error) {
        tracing::error!(connector = self.name, %error, "the connector failed");
        self.current.failed = true;
        self.no_retry();
        self.context.status_writer.connector(&self.name, InstanceState::Failed, Some(error.trace()), None);
    }

    fn no_retry(&mut self) {
        self.retry = None;
        self.backoff.reset();
    }

    async fn remove(&mut self) {
        self.end().await;
        self.context.status_writer.remove_connector(&self.name);
    }

    async fn shut_down(&mut self) {
        self.tasks.shut_down().await;
        if let Some(instance) = self.current.instance.take() {
            self.stop_instance(instance).await;
        }
        if !self.current.failed && self.current.revision.is_some() {
            self.context.status_writer.connector(&self.name, InstanceState::Unassigned, None, None);
        }
    }

    async fn end(&mut self) {
        self.tasks.remove_all().await;
        if let Some(instance) = self.current.instance.take() {
            self.stop_instance(instance).await;
        }
    }
}

/// Values that came from configuration providers are stored as variables again.
fn unresolved(task: Props, raw: &Props, resolved: &Props) -> Props {
    let as_written = |(name, value): (String, String)| match (raw.get(&name), resolved.get(&name)) {
        (Some(raw), Some(resolved)) if *resolved == value => (name, raw.clone()),
        _ => (name, value),
    };
    task.into_iter().map(as_written).collect::<BTreeMap<_, _>>()
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
