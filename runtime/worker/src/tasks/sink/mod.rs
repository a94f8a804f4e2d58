//! The sink loop: read, convert, transform, put; commit the offsets that the plugin calls safe, and no others.
//!
//! [`sink_loop`] decides what is done next; [`partitions`] knows offsets and pauses, [`delivery`] the batch and its
//! retries, [`commit`] when what is committed, [`plugin`] whether the plugin can be called, [`host`] what it asks for.

mod batch;
mod commit;
mod delivery;
mod host;
mod partitions;
mod plugin;
mod rebalance;
mod record_consumer;
mod sink_loop;
mod sink_offsets;
mod subscription;
mod topic_readers;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tributary_api::{Error, PluginDescription, Result, SinkTask};
use tributary_kafka::Consumer;

pub(crate) use self::batch::Batch;
pub(crate) use self::host::{HostParts, SinkTaskHost};
pub(crate) use self::record_consumer::RecordConsumer;
pub(crate) use self::sink_loop::{SinkLoop, SinkParts};
pub(crate) use self::sink_offsets::SinkOffsets;
pub(crate) use self::subscription::Subscription;
pub(crate) use self::topic_readers::TopicReaders;
use super::errors::{DeadLetters, ErrorOperator};
use super::{Decoder, TaskContext, TopicWriters};

/// How long the broker waits for records before it answers that there are none. A short wait costs requests while the sink is
/// idle. A long one holds up a partition that is resumed: librdkafka has one fetch at a time in progress at each broker, and
/// if all other partitions are read to their end, it ends only after this wait.
fn fetch_wait_ms(plugin: &PluginDescription) -> u32 {
    if plugin.pauses_partitions { 100 } else { 1_000 }
}

/// Runs a sink task until it is stopped or fails.
///
/// # Errors
/// Why it failed.
pub(crate) async fn run(cx: TaskContext, task: Box<dyn SinkTask>) -> Result<()> {
    let (spec, worker, connector) = (&cx.spec, &cx.spec.worker, &cx.spec.connector);
    let id = &spec.id;
    let reads = connector.input.as_ref().ok_or_else(|| Error::fatal("a sink without topics"))?;
    let mut decoder = Decoder::for_sink(&connector.props, &worker.defaults, &spec.plugins)?;
    decoder.with_plugin_metrics(&cx.metrics.plugins)?;
    let errors = connector.errors.clone();
    let dead_letters = DeadLetters::open(&cx, &errors).await?;
    let stopping = cx.control.stopping().clone();
    let operator = ErrorOperator::new(id.clone(), errors, dead_letters, Arc::clone(&cx.metrics), stopping);
    let operator = Arc::new(operator);
    let consumer = worker.consumer(&id.connector, id.task, &connector.props);
    let consumer = consumer.set_default("fetch.max.wait.ms", fetch_wait_ms(&spec.plugin.description));
    let readers = TopicReaders::new(
        // A reader ends at a known offset and does not wait for later records.
        consumer.clone().set("client.id", format!("connector-consumer-{id}-reader")).set("fetch.max.wait.ms", 100),
        connector.props.clone(),
        worker.defaults.clone(),
        spec.plugins.clone(),
    );
    let admin = || Ok(worker.admin_client(&connector.props)? as _);
    let mut subscription = Subscription::new(reads, connector.clients.metadata_max_age, admin)?;
    let topics = tokio::select! {
        biased;
        () = cx.control.stopping().cancelled() => return Ok(()),
        topics = subscription.first_topics() => topics?,
    };
    let input = Consumer::subscribe(&consumer, &topics)?;
    let again = Decoder::for_sink(&connector.props, &worker.defaults, &spec.plugins)?;
    let class = spec.plugin.description.class.as_str().into();
    let (woken, asked) = (input.waker(), input.waker());
    cx.control.on_request(Box::new(move || woken.wake()));
    let parts = HostParts { decoder: again, readers, writers: TopicWriters::new(&cx) };
    let host = Arc::new(SinkTaskHost::new(Arc::clone(&operator), class, parts, Box::new(move || asked.wake())));
    let max_records = connector.clients.max_poll_records;
    let parts = SinkParts { input, decoder, operator, host, subscription, max_records };
    SinkLoop::new(cx, task, parts).run().await
}
