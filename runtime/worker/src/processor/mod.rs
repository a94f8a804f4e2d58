//! The processor loop: read, transform with state, write, in one transaction (I11).
//!
//! A processor is one consumer group and, for each task, one transactional producer. Each input partition owns its
//! state. For every batch the outputs, the changelog records of the changed keys and the input offsets are one
//! transaction; only when it is committed are the changes applied to the local stores. After an abort the overlay is
//! dropped and the partitions are read again. When the producer has failed for good, or the outcome of a commit is
//! unknown, the task continues with a new producer and rejoins its group ([`renewal`]).
//!
//! [`process_loop`] decides what is done next. [`partitions`] has the consumer, the state and the offsets of what is
//! assigned ([`assignment`] restores it), [`stateful_chain`] processes one record, [`fill`] a batch of them, [`transact`]
//! commits or aborts it over [`transactional_output`], [`retries`] says how an aborted one is tried again.
//!
//! With at-least-once the same is done without a transaction, in an order that loses nothing: outputs, then changelogs,
//! then offsets, each acknowledged before the next.

mod assignment;
mod batch_limit;
mod config;
mod delivery_reports;
mod fill;
mod partitions;
mod process_loop;
mod renewal;
mod restore;
mod retries;
mod size_limit;
mod stateful_chain;
mod tables;
mod topics;
mod transact;
mod transactional_output;
mod transform_stores;
mod uncertain_transaction;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tributary_api::{Backoff, Error, Factory, Plugin, PluginRegistry, Props, Requirements, Result};
use tributary_control::Processing;

use self::config::Guarantee;
pub(crate) use self::config::ProcessorConfig;
use self::partitions::OwnedPartitions;
use self::process_loop::ProcessLoop;
use self::renewal::Renewals;
use self::restore::Changelogs;
use self::retries::BatchRetries;
use self::stateful_chain::StatefulChain;
use self::tables::Tables;
use self::topics::Topics;
use self::transactional_output::TransactionalOutput;
use self::transform_stores::TransformStores;
use crate::settings::WorkerSettings;
use crate::tasks::{
    Control, Converters, DeadLetters, Decoder, Encoder, ErrorOperator, TaskContext, TransformationChain,
};

/// The class under which processors are configured.
const CLASS: &str = "tributary.StreamProcessor";

/// The first and the maximum wait between retries of requests that the broker did not answer.
const RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// The connector that runs transforms with state.
pub fn stream_processor() -> Plugin {
    Plugin::new(CLASS, env!("CARGO_PKG_VERSION"), config::definition(), Factory::Processor).doc(
        "Reads topics, passes each record through transforms that may keep state, set timers and read tables, and \
         writes the results: exactly once on Kafka, at least once on the embedded broker.",
    )
}

/// The guarantee of a processor with this configuration.
///
/// # Errors
/// `Config`, naming what is wrong.
pub(crate) fn processing(connector: &Props, worker: &WorkerSettings) -> Result<Processing> {
    let config = ProcessorConfig::parse(connector, worker)?;
    Ok(Processing {
        name: connector.get("name").cloned().unwrap_or_default(),
        guarantee: config.guarantee.name().to_owned(),
        reason: config.reason.to_owned(),
        state_store: config.store.name().to_owned(),
    })
}

/// The changelog topics of a processor, by its configuration.
///
/// # Errors
/// `Config` when its transforms cannot be made.
pub(crate) fn changelogs(connector: &Props, worker: &WorkerSettings, plugins: &PluginRegistry) -> Result<Vec<String>> {
    let name = connector.get("name").map_or("", String::as_str);
    let chain = TransformationChain::build(connector, plugins)?;
    let stores = TransformStores::new(connector, chain.requirements())?;
    Ok(Changelogs::new(&worker.group_id, name, &stores.layout).topics)
}

/// Whether the definition of a processor's own properties refuses a configuration, and so shows what is wrong.
pub(crate) fn is_refused_by_definition(connector: &Props) -> bool {
    config::definition().parse(connector).is_err()
}

/// Whether the state that transforms ask for can be kept apart, and the topics that they write to read them again are inputs.
///
/// # Errors
/// `Config`, of the property, when two of them want a store of one name, or such a topic is no input.
pub(crate) fn check_stores(connector: &Props, requirements: Vec<Requirements>) -> Result<()> {
    TransformStores::new(connector, requirements.into_iter()).map(drop)
}

/// Runs a processor task until it is stopped or fails.
///
/// # Errors
/// Why it failed.
pub(crate) async fn run(cx: TaskContext) -> Result<()> {
    let control = Arc::clone(&cx.control);
    match work(cx).await {
        // A retriable error during a stop is no failure: the next start of the task tries again.
        Err(error) if control.is_stopping() && error.is_retriable() => Ok(()),
        outcome => outcome,
    }
}

async fn work(cx: TaskContext) -> Result<()> {
    let (spec, worker, id) = (&cx.spec, &cx.spec.worker, &cx.spec.id);
    let not_one = || Error::config_at("connector.class", "the connector is no processor");
    let config = spec.connector.processor.clone().ok_or_else(not_one)?;
    let chain = TransformationChain::build(&spec.connector.props, &spec.plugins)?;
    let stores = TransformStores::new(&spec.connector.props, chain.requirements())?;
    let converters = || Converters::build(&spec.connector.props, &worker.defaults, &spec.plugins);
    let plain = || -> Result<Decoder> {
        Ok(Decoder::new(TransformationChain::build(&Props::new(), &spec.plugins)?, converters()?))
    };
    let errors = spec.connector.errors.clone();
    let dead_letters =
        retry_until_answered(&cx.control, "open the dead letter queue", async || DeadLetters::open(&cx, &errors).await);
    let dead_letters = dead_letters.await?;
    let stopping = cx.control.stopping().clone();
    let operator = ErrorOperator::new(id.clone(), errors, dead_letters, Arc::clone(&cx.metrics), stopping);
    let (guarantee, store) = (config.guarantee.name(), config.store.name());
    tracing::info!(guarantee, reason = config.reason, store, "processor starts");
    let topics = Topics::new(&cx, &config)?;
    let repartition =
        retry_until_answered(&cx.control, "create the repartition topics", async || topics.ensure_repartition().await);
    repartition.await?;
    let consumer = worker
        .consumer(&id.connector, id.task, &spec.connector.props)
        .set("isolation.level", config.guarantee.isolation());
    let tables = retry_until_answered(&cx.control, "read the tables", async || {
        Tables::open(&cx, &stores, &consumer, &topics, plain()?, &operator).await
    });
    let Some(tables) = tables.await? else { return Ok(()) };
    let changelogs = Changelogs::new(&worker.group_id, &id.connector, &stores.layout);
    let output = TransactionalOutput::open(&cx, &config, &consumer, &changelogs.topics).await?;
    let group = match config.topics.len() {
        1 => consumer.clone(),
        // Partitions with the same number must be assigned together: they share their state.
        _ => consumer.clone().set_native("partition.assignment.strategy", "range"),
    };
    let partitions = OwnedPartitions::join(group, config.topics.clone(), Arc::clone(&cx.metrics))?;
    let (decoder, mut encoder) = (plain()?, Encoder::new(chain, converters()?));
    encoder.with_plugin_metrics(&cx.metrics.plugins)?;
    let process_loop = ProcessLoop {
        retries: BatchRetries::new(config.max_batch, config.transaction_timeout),
        chain: StatefulChain { decoder, encoder, stores, tables, operator },
        config,
        topics,
        changelogs,
        consumer,
        partitions,
        output,
        renewals: Renewals::default(),
        cx,
    };
    process_loop.run().await
}

/// The timeout of one request to a broker, after which a request to stop is checked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Retries a step while its error is retriable: a new topic is not known to all brokers at once, and an unreachable
/// broker returns. Ends with any other error, or with the last one when the task is asked to stop.
async fn retry_until_answered<T>(control: &Control, what: &str, mut step: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut backoff = Backoff::new(RETRY, MAX_RETRY);
    loop {
        let outcome = tokio::select! {
            biased;
            () = control.stopping().cancelled() => Err(Error::retriable("the task is stopping")),
            outcome = step() => outcome,
        };
        match outcome {
            Err(error) if error.is_retriable() && !control.is_stopping() => {
                let wait = backoff.next_wait();
                if backoff.should_log() {
                    tracing::warn!(%error, tries = backoff.tries(), "could not {what}, trying again");
                }
                control.sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}
