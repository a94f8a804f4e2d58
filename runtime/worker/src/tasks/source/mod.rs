//! The source loop: poll, transform, convert, send, wait for acknowledgements, store the offsets, call the plugin's
//! `commit`.

mod chunk;
mod deliveries;
mod flush;
mod in_flight;
mod lost_producers;
mod record_producer;
mod source_loop;
mod topics;
mod transactional;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tributary_api::{
    RawTopicReader, Result, SourceHost, SourceOffset, SourcePartition, SourceTask, SourceTaskContext,
    TopicReaderOptions, TopicWriter, TopicWriterOptions,
};

pub(crate) use self::deliveries::Deliveries;
use self::deliveries::PRODUCER_CLASS;
pub(crate) use self::flush::OffsetFlusher;
pub(crate) use self::in_flight::InFlight;
use self::lost_producers::LostProducers;
pub(crate) use self::record_producer::{Capacity, RecordProducer};
use self::source_loop::SEND_AGAIN;
pub(crate) use self::source_loop::{SourceLoop, SourceParts};
pub(crate) use self::topics::TopicCreation;
use super::errors::ErrorOperator;
use super::{
    Converters, Encoder, PluginCalls, TaskContext, TopicWriters, TransformationChain, raw_topic_reader,
    without_delivery_timeout,
};
use crate::clients::TaskProducer;

/// Whether a source loop continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Go,
    Stop,
}

/// The wait before the task starts again with a new producer.
const PRODUCER_RETRY: Duration = Duration::from_secs(1);

/// Runs a source task until it is stopped or fails. When the producer fails for good, most often because of another
/// task's records, the task does not fail: it starts again with a new one, from its stored offsets.
///
/// # Errors
/// Why it failed.
pub(crate) async fn run(cx: TaskContext, make: &(dyn Fn() -> Box<dyn SourceTask> + Send + Sync)) -> Result<()> {
    let cx = Arc::new(cx);
    if let Some(boundary) = cx.spec.connector.transactions {
        return transactional::run(&cx, boundary, make).await;
    }
    let mut lost_producers = LostProducers::default();
    loop {
        let started = Instant::now();
        let (outcome, lost) = run_once(&cx, make()).await?;
        let may_go_on = lost_producers.may_go_on(started.elapsed());
        match outcome {
            Err(error) if lost && may_go_on && !cx.control.is_stopping() => {
                tracing::error!(%error, "the producer has failed for good, the task starts again with another one");
                cx.control.sleep(PRODUCER_RETRY).await;
            }
            outcome => return outcome,
        }
    }
}

/// The outcome of one run, and whether the producer has failed for good.
async fn run_once(cx: &Arc<TaskContext>, task: Box<dyn SourceTask>) -> Result<(Result<()>, bool)> {
    let (spec, worker) = (&cx.spec, &cx.spec.worker);
    let (encoder, operator) = encoding(cx)?;
    let topics = TopicCreation::new(&spec.connector, worker)?;
    let deliveries = Arc::new(Deliveries::new(
        Arc::clone(&operator),
        Arc::clone(&cx.metrics),
        Arc::clone(&cx.control),
        Arc::clone(&cx.reporter),
    ));
    let client = without_delivery_timeout(worker.source_producer(&spec.connector.props));
    let producer = worker.clients.producer(client, &worker.executor, Arc::clone(&deliveries) as _)?;
    let producer = Arc::new(producer);
    cx.control.on_abandon(&producer, TaskProducer::abandon);
    let capacity = Capacity::of(spec.connector.clients.buffer_memory);
    let parts = SourceParts { encoder, operator, output: Arc::clone(&producer), deliveries, topics, capacity };
    let outcome = SourceLoop::new(Arc::clone(cx), task, parts).run().await;
    Ok((outcome, producer.is_lost()))
}

/// What turns the task's records into bytes, and decides about those that cannot be.
fn encoding(cx: &TaskContext) -> Result<(Encoder, Arc<ErrorOperator>)> {
    let spec = &cx.spec;
    let props = &spec.connector.props;
    let converters = Converters::build(props, &spec.worker.defaults, &spec.plugins)?;
    let mut encoder = Encoder::new(TransformationChain::build_stateless(props, &spec.plugins)?, converters);
    encoder.with_plugin_metrics(&cx.metrics.plugins)?;
    let (errors, stopping) = (spec.connector.errors.clone(), cx.control.stopping().clone());
    let operator = ErrorOperator::new(spec.id.clone(), errors, None, Arc::clone(&cx.metrics), stopping);
    Ok((encoder, Arc::new(operator)))
}

/// Tells the plugin that offsets are stored.
///
/// # Errors
/// When it panics. Its own error changes nothing: the offsets are stored.
async fn commit_plugin(calls: &mut PluginCalls, task: &mut dyn SourceTask) -> Result<()> {
    match calls.call("commit", task.commit()).await {
        Err(error) if calls.is_broken() => return Err(error),
        Err(error) => tracing::error!(%error, "the plugin's commit failed, the offsets stay stored"),
        Ok(()) => {}
    }
    Ok(())
}

/// The services of the task that the plugin can call.
struct SourceTaskHost {
    cx: Arc<TaskContext>,
    writers: TopicWriters,
}

#[async_trait]
impl SourceHost for SourceTaskHost {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        let (spec, control) = (&self.cx.spec, &self.cx.control);
        if spec.connector.transactions.is_none() {
            return spec.offsets.get(&spec.id.connector, partitions).await;
        }
        // What another task's open transaction holds up is no reason to fail, and none to start from an older offset.
        loop {
            match spec.offsets.get_settled(&spec.id.connector, partitions).await {
                Err(error) if error.is_retriable() && !control.is_stopping() => {
                    tracing::warn!(%error, "could not read the stored offsets, trying again");
                    control.sleep(SEND_AGAIN).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn topic_writer(&self, options: TopicWriterOptions) -> Result<Box<dyn TopicWriter>> {
        self.writers.open(options).await
    }

    async fn topic_reader(&self, options: TopicReaderOptions) -> Result<Option<Box<dyn RawTopicReader>>> {
        let spec = &self.cx.spec;
        raw_topic_reader::open(&spec.id, &spec.worker, &spec.connector.props, options).await
    }
}

fn plugin_context(cx: &Arc<TaskContext>, stopping: tokio_util::sync::CancellationToken) -> SourceTaskContext {
    let host = SourceTaskHost { cx: Arc::clone(cx), writers: TopicWriters::new(cx) };
    SourceTaskContext::new(&cx.spec.id.connector, cx.spec.id.task, stopping, Arc::new(host))
        .with_metrics(cx.metrics.plugins.clone())
}
