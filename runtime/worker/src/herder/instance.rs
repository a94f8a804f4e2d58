use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tributary_api::{
    Connector, ConnectorContext, ConnectorHost, Error, Factory, OffsetMap, Offsets, Plugin, Props, Result,
    SinkConnector, SourceConnector,
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
    mailbox: Option<PluginMailbox<Option<SourceOrSink>>>,
    task_class: String,
    is_sink: bool,
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

/// A source or sink connector.
pub(super) enum SourceOrSink {
    Source(Box<dyn SourceConnector>),
    Sink(Box<dyn SinkConnector>),
}

impl SourceOrSink {
    /// Creates a connector without starting it; none for a processor.
    pub(super) fn make(factory: &Factory) -> Option<Self> {
        match factory {
            Factory::Source(source) => Some(Self::Source((source.connector)())),
            Factory::Sink(sink) => Some(Self::Sink((sink.connector)())),
            _ => None,
        }
    }

    fn connector(&mut self) -> &mut dyn Connector {
        match self {
            Self::Source(source) => &mut **source,
            Self::Sink(sink) => &mut **sink,
        }
    }

    /// Asks a source about a change of offsets.
    pub(super) fn alter_source(
        &mut self,
        props: Props,
        offsets: Vec<(OffsetMap, Option<OffsetMap>)>,
    ) -> BoxFuture<'_, Result<bool>> {
        async move {
            match self {
                Self::Source(source) => source.alter_offsets(&props, &offsets).await,
                Self::Sink(_) => Ok(false),
            }
        }
        .boxed()
    }

    /// Asks a sink about a change of offsets.
    pub(super) fn alter_sink(&mut self, props: Props, offsets: Offsets) -> BoxFuture<'_, Result<bool>> {
        async move {
            match self {
                Self::Sink(sink) => sink.alter_offsets(&props, &offsets).await,
                Self::Source(_) => Ok(false),
            }
        }
        .boxed()
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
        let factory = plugin.factory.clone();
        let make = move || SourceOrSink::make(&factory);
        let mailbox = PluginMailbox::open(executor, make);
        let context =
            ConnectorContext::new(name, Arc::new(InstanceHost { inbox, runtime: executor.runtime().clone() }));
        mailbox
            .call("start", START_DEADLINE, move |connector| {
                async move { present(connector)?.start(context, &props).await }.boxed()
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
                        async move { present(connector)?.task_configs(max).await }.boxed()
                    })
                    .await?
            }
        };
        if tasks.len() > max && (config.enforce_max_tasks || tasks.len() > MAX_TASKS as usize) {
            return Err(PlanError::TooManyTasks(
                Error::config(format!(
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
            .call("stop", STOP_DEADLINE, |connector| async move { present(connector)?.stop().await }.boxed())
            .await;
        if let Err(error) = stopped {
            tracing::warn!(connector = name, %error, "the connector did not stop cleanly");
        }
    }
}

fn present(connector: &mut Option<SourceOrSink>) -> Result<&mut dyn Connector> {
    connector.as_mut().map(SourceOrSink::connector).ok_or_else(|| Error::fatal("the plugin is not a connector"))
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
