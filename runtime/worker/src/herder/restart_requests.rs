//! Restarts that clients ask for: of a task or a connector by its runner, of more by way of the configuration topic.

use tokio::sync::oneshot;
use tributary_control::{ConnectorStatus, Error, Herder as _, InstanceState, RestartRequest, Result, TaskId};

use super::message::RunnerMessage;
use super::requests::ClusterHerder;

impl ClusterHerder {
    /// Restarts one task, and waits until it has begun.
    pub(super) async fn request_task_restart(&self, task: &TaskId) -> Result<()> {
        let entry = self.connector_entry(&task.connector);
        let entry = entry.ok_or_else(|| Error::not_found(format!("Unknown connector: {}", task.connector)))?;
        if !entry.tasks.contains_key(&task.task) {
            // Connect remembers tasks that a connector once had, and answers as if another worker ran them.
            return Err(match task.task < entry.former_tasks {
                true => Error::conflict(
                    "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was \
                     underway.",
                ),
                false => Error::not_found(format!("Unknown task: {task}")),
            });
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.ask(&task.connector, RunnerMessage::RestartTask(task.task, answer), answered);
        self.stages.during(format!("restarting task {task}"), asked).await
    }

    /// Restarts what the request covers, at once where that is the connector alone; else as the topic says, with the state
    /// that is to be expected.
    pub(super) async fn request_restart(&self, name: &str, request: RestartRequest) -> Result<Option<ConnectorStatus>> {
        self.ensure_known(name)?;
        if !request.include_tasks && !request.only_failed {
            let (answer, answered) = oneshot::channel();
            let asked = self.ask(name, RunnerMessage::RestartConnector(answer), answered);
            self.stages.during(format!("restarting connector {name}"), asked).await?;
            return Ok(None);
        }
        let no_status = |_| Error::not_found(format!("Status for connector {name} not found"));
        let mut status = self.status(name).await.map_err(no_status)?;
        let what = format!("writing restart request for connector {name} to the config topic");
        self.stages.during(what, self.runners.context.configs.put_restart(name, request)).await?;
        let covered = |state: InstanceState| !request.only_failed || state == InstanceState::Failed;
        if covered(status.connector.state) {
            (status.connector.state, status.connector.trace) = (InstanceState::Restarting, None);
        }
        for task in status.tasks.iter_mut().filter(|task| request.include_tasks && covered(task.state)) {
            (task.state, task.trace) = (InstanceState::Restarting, None);
        }
        Ok(Some(status))
    }

    async fn ask(
        &self,
        connector: &str,
        message: RunnerMessage,
        answered: oneshot::Receiver<tributary_api::Result<()>>,
    ) -> Result<()> {
        if self.runners.send(connector, message).await
            && let Ok(answer) = answered.await
        {
            let redaction = self.validator.transformer.redaction();
            return answer.map_err(|error| Error::internal(redaction.apply(&error.to_string())));
        }
        Err(Error::conflict(
            "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config \
             change)",
        ))
    }
}
