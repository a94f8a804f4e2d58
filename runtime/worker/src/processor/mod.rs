//! The processor loop: read, transform with state, write, in one transaction (I11).
//!
//! A processor is one consumer group and, for each task, one transactional producer. Each input partition owns its
//! state. For every batch the outputs, the changelog records of the changed keys and the input offsets are one
//! transaction; when it is committed, and not before, the local stores take the changes over. After an abort the
//! overlay is dropped and the partitions are read again. When the producer has come to its end, or nobody knows whether a
//! commit holds, the task goes on with a new producer and a new membership ([`renewal`]).
//!
//! At-least-once it is the same without the transaction, in an order that loses nothing: outputs, then changelogs, then
//! offsets, each acknowledged before the next.

mod assignment;
mod batch_limit;
mod config;
mod delivery_reports;
mod fill;
mod process_loop;
mod renewal;
mod restore;
mod size_limit;
mod tables;
mod topics;
mod transact;
mod transactional_output;
mod transform_stores;
mod uncertain_transaction;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{ConfigIssue, Error, Factory, Offsets, Plugin, PluginRegistry, Props, Result};
use tributary_control::Processing;
use tributary_kafka::Consumer;

use self::batch_limit::BatchLimit;
use self::config::{Guarantee, ProcessorConfig, SESSION_TIMEOUT_MS};
use self::process_loop::ProcessLoop;
use self::renewal::Renewals;
use self::restore::Changelogs;
use self::tables::Tables;
use self::topics::Topics;
use self::transactional_output::TransactionalOutput;
use self::transform_stores::TransformStores;
use crate::backoff::Backoff;
use crate::settings::WorkerSettings;
use crate::tasks::{
    Control, Converters, DeadLetters, Decoder, Encoder, ErrorOperator, TaskContext, TransformationChain,
};

/// The class under which processors are configured.
const CLASS: &str = "tributary.StreamProcessor";

/// Between two tries of what the broker could not answer, at first and at most.
const RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// The connector that hosts transforms with state.
pub fn stream_processor() -> Plugin {
    Plugin::new(CLASS, env!("CARGO_PKG_VERSION"), config::definition(), Factory::Processor).doc(
        "Reads topics, passes each record through transforms that may keep state, set timers and look into tables, and \
         writes what comes of it: exactly once on Kafka, at least once on the embedded broker.",
    )
}

/// What a processor of this configuration promises.
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

/// What only the combination of properties shows, and the task would fail with.
pub(crate) fn issue(connector: &Props, worker: &WorkerSettings) -> Option<ConfigIssue> {
    let name = if worker.embedded_broker { "processing.guarantee" } else { "transaction.timeout.ms" };
    let has_topics = connector.get("topics").is_some_and(|topics| !topics.trim().is_empty());
    let parses = has_topics && config::definition().parse(connector).is_ok();
    let error = ProcessorConfig::parse(connector, worker).err().filter(|_| parses)?;
    Some(ConfigIssue::new(name, error.to_string()))
}

/// Runs a processor task until it is stopped or fails.
///
/// # Errors
/// Why it failed.
pub(crate) async fn run(cx: TaskContext) -> Result<()> {
    let control = Arc::clone(&cx.control);
    match work(cx).await {
        // What could be tried again later will be, by the task's next life.
        Err(error) if control.is_stopping() && error.is_retriable() => Ok(()),
        outcome => outcome,
    }
}

async fn work(cx: TaskContext) -> Result<()> {
    let (spec, worker, id) = (&cx.spec, &cx.spec.worker, &cx.spec.id);
    let config = ProcessorConfig::parse(&spec.connector.props, worker)?;
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
    let consumer = worker
        .consumer(&id.connector, id.task, &spec.connector.props)
        .set("isolation.level", config.guarantee.isolation())
        .set_default("session.timeout.ms", SESSION_TIMEOUT_MS);
    let tables = retry_until_answered(&cx.control, "read the tables", async || {
        Tables::open(&cx, &stores, &consumer, &topics, plain()?, &operator).await
    });
    let Some(tables) = tables.await? else { return Ok(()) };
    let changelogs = Changelogs::new(&worker.group_id, &id.connector, &stores.layout);
    let output = TransactionalOutput::open(&cx, &config, &consumer, &changelogs.topics).await?;
    let group = match config.topics.len() {
        1 => consumer.clone(),
        // Partitions of one number must stay together: they share their state.
        _ => consumer.clone().set_native("partition.assignment.strategy", "range"),
    };
    let input = Consumer::subscribe(&group, &config.topics)?;
    let (decoder, encoder) = (plain()?, Encoder::new(chain, converters()?));
    let process_loop = ProcessLoop {
        limit: BatchLimit::new(config.max_batch, config.transaction_timeout),
        config,
        stores,
        topics,
        tables,
        output,
        input,
        consumer,
        group,
        changelogs,
        decoder,
        encoder,
        operator,
        owned: BTreeMap::new(),
        committed: Offsets::new(),
        partition_count: 0,
        paused: false,
        refused: HashMap::new(),
        abort_backoff: Backoff::new(process_loop::POLL_TIMEOUT, MAX_RETRY),
        renewals: Renewals::default(),
        next_flush: Instant::now(),
        cx,
    };
    process_loop.run().await
}

/// How long one question to a broker may take, until a request to stop is looked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Repeats what cannot be done for now: a topic is there for one broker a little later than for the other, and a broker that
/// is away comes back. Ends with another error, or with the last one when the task is asked to stop.
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
                let wait = backoff.next();
                if backoff.should_log() {
                    tracing::warn!(%error, tries = backoff.tries(), "could not {what}, trying again");
                }
                control.sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}
