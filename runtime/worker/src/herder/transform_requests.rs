//! Requests to transforms. The plugin's code runs on a task of its own and has a limited time, so that neither a panic nor one
//! that hangs affects others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tributary_api::{
    PluginAnswer, PluginRequest, Props, RawTopicReader, RequestHost, TopicReaderOptions, TopicWriter,
    TopicWriterOptions,
};
use tributary_control::{Error, Result, Status, TaskId};

use super::context::HerderContext;
use crate::plugins::NamedPlugin;
use crate::settings::WorkerSettings;
use crate::tasks::{Control, TopicWriters, raw_topic_reader};

const DEADLINE: Duration = Duration::from_secs(30);

/// Passes a request on to a transform of a connector with this configuration.
pub(super) async fn answer(
    context: &HerderContext,
    config: &Props,
    alias: &str,
    request: PluginRequest,
) -> Result<PluginAnswer> {
    let name = config.get("name").cloned().unwrap_or_default();
    let unknown = || Error::not_found(format!("connector {name} has no transform {alias} that answers requests"));
    let listed = tributary_api::list_items(config, "transforms").any(|listed| listed == alias);
    if !listed {
        return Err(unknown());
    }
    let resolved = context.transformer.resolve_async(config).await?;
    let redact = |error: tributary_api::Error| {
        let error = Error::from(error);
        Error::new(error.status, context.transformer.redaction().apply(&error.message))
    };
    let named = NamedPlugin::transformation(alias, &resolved, &context.plugins).map_err(redact)?;
    let handler = named.make_request_handler().map_err(redact)?.ok_or_else(unknown)?;
    let control = Arc::new(Control::new(false));
    let host = Topics {
        id: TaskId::new(&name, 0),
        worker: Arc::clone(&context.settings),
        connector: resolved,
        control: Arc::clone(&control),
    };
    let mut answering = JoinSet::new();
    answering.spawn(async move { handler.answer(request, &host).await });
    let answered = tokio::time::timeout(DEADLINE, answering.join_next()).await;
    control.stop();
    match answered {
        Ok(Some(Ok(answer))) => answer.map_err(redact),
        Ok(_) => Err(Error::internal(format!("transforms.{alias} panicked while it answered the request"))),
        Err(_) => {
            let message = format!("transforms.{alias} did not answer within {} seconds", DEADLINE.as_secs());
            Err(Error::new(Status::Unavailable, message))
        }
    }
}

/// Topics as the connector's tasks reach them.
struct Topics {
    id: TaskId,
    worker: Arc<WorkerSettings>,
    connector: Props,
    /// Stopped when the request is answered, which ends all waits.
    control: Arc<Control>,
}

#[async_trait]
impl RequestHost for Topics {
    async fn topic_writer(&self, options: TopicWriterOptions) -> tributary_api::Result<Box<dyn TopicWriter>> {
        let (id, worker) = (self.id.clone(), Arc::clone(&self.worker));
        TopicWriters::of(id, worker, self.connector.clone(), Arc::clone(&self.control)).open(options).await
    }

    async fn topic_reader(
        &self,
        options: TopicReaderOptions,
    ) -> tributary_api::Result<Option<Box<dyn RawTopicReader>>> {
        raw_topic_reader::open(&self.id, &self.worker, &self.connector, options).await
    }
}
