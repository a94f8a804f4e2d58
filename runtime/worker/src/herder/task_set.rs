use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{join_all, select_all};
use tributary_api::{PluginKind, Result};
use tributary_control::{InstanceState, TargetState, TaskId};

use super::context::HerderContext;
use super::fencing;
use super::restarts::Failures;
use crate::connector_config::RestartPolicy;
use crate::stores::ConnectorEntry;
use crate::tasks::{self, TaskHandle, TaskListener, TaskSpec};

/// The tasks of one connector that run on this worker.
pub(super) struct TaskSet {
    connector: String,
    context: Arc<HerderContext>,
    running: BTreeMap<u32, RunningTask>,
    /// From the configuration of the last start; none before it or if it cannot be parsed.
    policy: Option<RestartPolicy>,
}

struct RunningTask {
    /// None when it could not be started; its status has the reason.
    handle: Option<TaskHandle>,
    revision: i64,
    paused: bool,
    failures: Failures,
}

impl TaskSet {
    pub(super) fn new(connector: String, context: Arc<HerderContext>) -> Self {
        Self { connector, context, running: BTreeMap::new(), policy: None }
    }

    /// Makes the running tasks equal to the configured ones: stops those that were removed or changed, starts new ones,
    /// pauses and resumes the others.
    pub(super) async fn reconcile(&mut self, entry: &ConnectorEntry) {
        let outdated = |(number, task): (&u32, &RunningTask)| {
            let current = entry.tasks.contains_key(number) && task.revision == entry.tasks_revision;
            (!current).then_some(*number)
        };
        let outdated: Vec<u32> = self.running.iter().filter_map(outdated).collect();
        self.stop(&outdated).await;
        for number in outdated.iter().filter(|number| !entry.tasks.contains_key(number)) {
            self.context.status_writer.remove_task(&self.id(*number));
        }
        let missing: Vec<u32> =
            entry.tasks.keys().filter(|number| !self.running.contains_key(number)).copied().collect();
        for number in missing {
            self.start(number, entry, Failures::none()).await;
        }
        let paused = entry.target == TargetState::Paused;
        for task in self.running.values_mut().filter(|task| task.paused != paused) {
            task.paused = paused;
            match (&task.handle, paused) {
                (Some(handle), true) => handle.pause(),
                (Some(handle), false) => handle.resume(),
                (None, _) => {}
            }
        }
    }

    /// Restarts some tasks.
    pub(super) async fn restart(&mut self, numbers: &[u32], entry: &ConnectorEntry) {
        let known: Vec<u32> = numbers.iter().filter(|number| entry.tasks.contains_key(number)).copied().collect();
        self.stop(&known).await;
        for number in &known {
            self.context.status_writer.task(&self.id(*number), InstanceState::Restarting, None);
        }
        if entry.target != TargetState::Stopped {
            for number in known {
                self.start(number, entry, Failures::none()).await;
            }
        }
    }

    /// Waits until a failed task is to be restarted, and returns its number. Never returns while there is none. Cancel
    /// safe.
    pub(super) async fn next_restart(&mut self) -> u32 {
        loop {
            let Some(policy) = self.policy.filter(RestartPolicy::is_on) else { return std::future::pending().await };
            self.notice_failures(&policy);
            let due = self.running.iter().filter_map(|(number, task)| Some((task.failures.due?, *number))).min();
            let alive = self.running.values().filter(|task| !task.failures.noticed);
            let ends: Vec<_> =
                alive.filter_map(|task| task.handle.as_ref()).map(|handle| handle.ended().boxed()).collect();
            let wait = async {
                match due {
                    Some((at, number)) => {
                        tokio::time::sleep_until(at).await;
                        number
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The restart that is due first.
                number = wait => return number,
                // A task has ended: if it has failed, its restart may be due earlier.
                () = async { drop(select_all(ends).await) }, if !ends.is_empty() => {}
            }
        }
    }

    fn notice_failures(&mut self, policy: &RestartPolicy) {
        for (number, task) in self.running.iter_mut().filter(|(_, task)| !task.failures.noticed) {
            if task.handle.as_ref().is_some_and(|handle| !handle.has_ended()) {
                continue;
            }
            let id = TaskId::new(&self.connector, *number);
            match task.failures.failed(policy) {
                Some((attempt, wait)) => {
                    tracing::warn!(task = %id, attempt, wait_ms = wait.as_millis(), "the task has failed and will be restarted");
                }
                None => tracing::error!(
                    task = %id,
                    "the task has failed more often than errors.restart.max.attempts allows: remove the cause and restart it"
                ),
            }
        }
    }

    /// Restarts a failed task that [`next_restart`](Self::next_restart) has returned.
    pub(super) async fn restart_failed(&mut self, number: u32, entry: &ConnectorEntry) {
        let Some(failures) = self.running.get(&number).map(|task| task.failures) else { return };
        self.stop(&[number]).await;
        if entry.target != TargetState::Stopped && entry.tasks.contains_key(&number) {
            self.context.status_writer.task(&self.id(number), InstanceState::Restarting, None);
            self.start(number, entry, failures.restarted()).await;
        }
    }

    /// The tasks that a restart covers.
    pub(super) fn restartable(&self, only_failed: bool) -> Vec<u32> {
        let covered = |task: &RunningTask| !only_failed || task.handle.as_ref().is_none_or(TaskHandle::has_ended);
        self.running.iter().filter(|(_, task)| covered(task)).map(|(number, _)| *number).collect()
    }

    /// Stops all tasks and removes their states.
    pub(super) async fn remove_all(&mut self) {
        let all: Vec<u32> = self.running.keys().copied().collect();
        self.stop(&all).await;
        all.into_iter().for_each(|number| self.context.status_writer.remove_task(&self.id(number)));
    }

    /// Stops all tasks because the worker stops; another worker may run them.
    pub(super) async fn shut_down(&mut self) {
        let failed = self.restartable(true);
        let all: Vec<u32> = self.running.keys().copied().collect();
        self.stop(&all).await;
        for number in all.into_iter().filter(|number| !failed.contains(number)) {
            self.context.status_writer.task(&self.id(number), InstanceState::Unassigned, None);
        }
    }

    async fn start(&mut self, number: u32, entry: &ConnectorEntry, failures: Failures) {
        let paused = entry.target == TargetState::Paused;
        let handle = match self.try_start(number, entry).await {
            Ok(handle) => Some(handle),
            Err(error) => {
                tracing::error!(task = %self.id(number), %error, "the task cannot be started");
                self.context.status_writer.task(&self.id(number), InstanceState::Failed, Some(error.trace()));
                None
            }
        };
        self.running.insert(number, RunningTask { handle, revision: entry.tasks_revision, paused, failures });
    }

    /// The policy of a configuration that cannot be used. If a variable cannot be resolved now, it may be by the time of a
    /// restart.
    fn policy_alone(&self, entry: &ConnectorEntry) -> Option<RestartPolicy> {
        let kind = self.context.plugin(&entry.config).ok()?.description.kind;
        RestartPolicy::parse(&entry.config, kind)
            .inspect_err(|error| {
                tracing::error!(connector = self.connector, %error, "cannot read errors.restart.*: failed tasks will not be restarted");
            })
            .ok()
    }

    async fn try_start(&mut self, number: u32, entry: &ConnectorEntry) -> Result<TaskHandle> {
        let (id, incarnation) = (self.id(number), self.context.next_incarnation());
        self.policy = None;
        let plugin = self.context.plugin(&entry.config)?.clone();
        self.context.status_writer.set_incarnation(&id, incarnation, &plugin.description.version);
        let connector = self.context.parse(&entry.config).await;
        self.policy = match &connector {
            Ok(connector) => Some(connector.restarts),
            Err(_) => self.policy_alone(entry),
        };
        let (connector, no_task) = (connector?, Default::default());
        if connector.transactions.is_some() {
            fencing::fence(&self.context, &self.connector, entry, &connector.props).await?;
        }
        let offsets = self.context.offsets.of(&self.connector, &connector.props).await?;
        let spec = TaskSpec {
            id,
            connector,
            task: self.context.transformer.resolve_async(entry.tasks.get(&number).unwrap_or(&no_task)).await?,
            plugin,
            plugins: self.context.plugins.clone(),
            worker: Arc::clone(&self.context.settings),
            paused: entry.target == TargetState::Paused,
            offsets,
            incarnation,
        };
        let listener: Arc<dyn TaskListener> = Arc::clone(&self.context.status_writer) as _;
        let (id, is_source) = (spec.id.clone(), spec.plugin.description.kind == PluginKind::Source);
        let handle = tasks::start(spec, listener);
        self.context.metrics.add(id, handle.metrics(), is_source);
        Ok(handle)
    }

    /// Stops tasks concurrently: each has the whole graceful timeout.
    async fn stop(&mut self, numbers: &[u32]) {
        let mut leaving: Vec<(u32, RunningTask)> =
            numbers.iter().filter_map(|number| Some((*number, self.running.remove(number)?))).collect();
        leaving.iter().filter_map(|(_, task)| task.handle.as_ref()).for_each(TaskHandle::stop);
        let timeout = self.context.settings.graceful_timeout;
        let (connector, statuses, metrics) = (&self.connector, &self.context.status_writer, &self.context.metrics);
        join_all(leaving.iter_mut().map(|(number, task)| async move {
            let Some(handle) = task.handle.as_mut() else { return };
            if !handle.stopped(timeout).await {
                tracing::warn!(connector, task = number, "the task did not end in time and was abandoned");
            }
            let id = TaskId::new(connector, *number);
            statuses.clear_incarnation(&id);
            metrics.remove(&id);
        }))
        .await;
    }

    fn id(&self, number: u32) -> TaskId {
        TaskId::new(&self.connector, number)
    }
}
