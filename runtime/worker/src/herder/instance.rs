use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tributary_api::{
    Config, ConfigDef, Connector, ConnectorContext, ConnectorHost, Error, Factory, Plugin, PluginMetrics, Props, Result,
};

use super::message::RunnerMessage;
use crate::connector_config::ConnectorConfig;
use crate::definitions::MAX_TASKS;
use crate::executor::Executor;
use crate::supervision::PluginMailbox;

/// A connector that has not started by then is considered failed.
const START_DEADLINE: Duration = Duration::from_secs(300);
const PLAN_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// A started connector object, called through its mailbox. A processor has none: its tasks all get the connector's
/// configuration.
pub(super) struct ConnectorInstance {
    mailbox: Option<PluginMailbox<Option<Configured>>>,
    task_class: String,
    is_sink: bool,
}

/// A connector with what it is configured by. It is parsed in the connector's mailbox: a definition may have checks of the
/// plugin's.
struct Configured {
    connector: Box<dyn Connector>,
    definition: ConfigDef,
    config: Option<Config>,
}

/// Why the tasks of a connector could not be planned.
#[derive(Debug)]
pub(super) enum PlanError {
    /// It returned more tasks than `tasks.max`: an operator has to change something.
    TooManyTasks(Error),
    /// Any other error: the plugin is asked again later.
    NotYet(Error),
}

impl From<Error> for PlanError {
    fn from(error: Error) -> Self {
        Self::NotYet(error)
    }
}

impl ConnectorInstance {
    /// Creates and starts the connector.
    ///
    /// # Errors
    /// The plugin's own; fatal when it panics or blocks.
    pub(super) async fn start(
        name: &str,
        plugin: &Plugin,
        props: Props,
        metrics: PluginMetrics,
        executor: &Executor,
        inbox: mpsc::Sender<RunnerMessage>,
    ) -> Result<Self> {
        let (task_class, is_sink) = match &plugin.factory {
            Factory::Source(source) => (source.task_class.clone(), false),
            Factory::Sink(sink) => (sink.task_class.clone(), true),
            _ => {
                return Ok(Self {
                    mailbox: None,
                    task_class: format!("{}Task", plugin.description.class),
                    is_sink: true,
                });
            }
        };
        for message in plugin.description.config.deprecations(&props) {
            tracing::warn!(connector = name, "{message}");
        }
        let (factory, definition) = (plugin.factory.clone(), plugin.description.config.clone());
        let make = move || factory.connector().map(|connector| Configured { connector, definition, config: None });
        let mailbox = PluginMailbox::open(executor, make);
        let context =
            ConnectorContext::new(name, Arc::new(InstanceHost { inbox, runtime: executor.runtime().clone() }))
                .with_metrics(metrics);
        mailbox
            .call("start", START_DEADLINE, move |connector| {
                let start = async move {
                    let Configured { connector, definition, config } = present(connector)?;
                    let config = config.insert(definition.parse(&props)?);
                    connector.start(context, config).await
                };
                start.boxed()
            })
            .await?;
        Ok(Self { mailbox: Some(mailbox), task_class, is_sink })
    }

    /// The configuration of each task, from the plugin.
    ///
    /// # Errors
    /// The plugin's own; fatal when it makes more tasks than it may.
    pub(super) async fn task_configs(&self, name: &str, config: &ConnectorConfig) -> Result<Vec<Props>, PlanError> {
        let (props, max) = (&config.props, config.max_tasks);
        let mut tasks = match &self.mailbox {
            None => vec![props.clone(); max],
            Some(mailbox) => {
                mailbox
                    .call("task_configs", PLAN_DEADLINE, move |connector| {
                        let plan = async move {
                            let Configured { connector, config, .. } = present(connector)?;
                            let config = config.as_ref().ok_or_else(|| Error::fatal("the connector is not started"))?;
                            connector.task_configs(config, max).await
                        };
                        plan.boxed()
                    })
                    .await?
            }
        };
        if tasks.len() > max && (config.enforce_max_tasks || tasks.len() > MAX_TASKS as usize) {
            return Err(PlanError::TooManyTasks(
                Error::config_at("tasks.max", format!(
                "The connector {name} has generated {} tasks, which is greater than {max}, the maximum number of tasks \
                 it is configured to create. This behaviour should be considered a bug and is disallowed; raise \
                 tasks.max, or set tasks.max.enforce to false to let it run",
                tasks.len()
            ))
            .with_class("org.apache.kafka.connect.runtime.TooManyTasksException")));
        }
        for task in &mut tasks {
            task.insert("task.class".to_owned(), self.task_class.clone());
            for inherited in ["topics", "topics.regex"].into_iter().filter(|_| self.is_sink) {
                if let Some(value) = props.get(inherited) {
                    task.insert(inherited.to_owned(), value.clone());
                }
            }
        }
        Ok(tasks)
    }

    /// Stops the connector; one that blocks is abandoned.
    pub(super) async fn stop(self, name: &str) {
        let Some(mailbox) = self.mailbox else { return };
        let stopped = mailbox
            .call("stop", STOP_DEADLINE, |connector| async move { present(connector)?.connector.stop().await }.boxed())
            .await;
        if let Err(error) = stopped {
            tracing::warn!(connector = name, %error, "the connector did not stop cleanly");
        }
    }
}

fn present(connector: &mut Option<Configured>) -> Result<&mut Configured> {
    connector.as_mut().ok_or_else(|| Error::fatal("the plugin is not a connector"))
}

struct InstanceHost {
    inbox: mpsc::Sender<RunnerMessage>,
    runtime: Handle,
}

impl InstanceHost {
    /// May be called from any thread; does not wait.
    fn send(&self, message: RunnerMessage) {
        let inbox = self.inbox.clone();
        // Sending fails if the runner has ended: then the message has no meaning.
        self.runtime.spawn(async move { drop(inbox.send(message).await) });
    }
}

impl ConnectorHost for InstanceHost {
    fn request_task_reconfiguration(&self) {
        self.send(RunnerMessage::Reconfigure);
    }

    fn raise_error(&self, error: Error) {
        self.send(RunnerMessage::ConnectorFailed(error));
    }
}
