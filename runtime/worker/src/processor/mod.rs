//! The processor loop: read, transform with state, write, in one transaction (I11).
//!
//! A processor is one consumer group and, for each task, one transactional producer. Each input partition owns its
//! state. For every batch the outputs, the changelog records of the changed keys and the input offsets are one
//! transaction; when it is committed, and not before, the local stores take the changes over. After an abort the
//! overlay is dropped and the partitions are read again.
//!
//! At-least-once it is the same without the transaction, in an order that loses nothing: outputs, then changelogs, then
//! offsets, each acknowledged before the next.

mod assignment;
mod config;
mod host;
mod outbox;
mod process_loop;
mod restore;
mod tables;
mod topics;
mod transact;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Factory, Offsets, Plugin, Props, Result};
use tributary_control::Processing;
use tributary_kafka::Consumer;

use self::config::{Guarantee, ProcessorConfig};
use self::host::Links;
use self::outbox::Outbox;
use self::process_loop::ProcessLoop;
use self::restore::Changelogs;
use self::tables::Tables;
use self::topics::Topics;
use crate::settings::WorkerSettings;
use crate::tasks::{
    Chain, Control, Converters, DeadLetters, Decoder, Encoder, ErrorConfig, ErrorOperator, TaskContext,
};

/// The class under which processors are configured.
const CLASS: &str = "tributary.StreamProcessor";

/// Between two tries of what the broker could not answer.
const RETRY: Duration = Duration::from_millis(500);

/// The connector that hosts transforms with state.
pub fn stream_processor() -> Plugin {
    Plugin::new(CLASS, config::definition(), Factory::Processor).doc(
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

/// Runs a processor task until it is stopped or fails.
///
/// # Errors
/// Why it failed.
pub(crate) async fn run(cx: TaskContext) -> Result<()> {
    let (spec, worker, id) = (&cx.spec, &cx.spec.worker, &cx.spec.id);
    let config = ProcessorConfig::parse(&spec.connector, worker)?;
    let chain = Chain::build(&spec.connector, &spec.plugins)?;
    let links = Links::new(&spec.connector, chain.requirements())?;
    let converters = || Converters::build(&spec.connector, &worker.defaults, &spec.plugins);
    let plain = || -> Result<Decoder> { Ok(Decoder::new(Chain::build(&Props::new(), &spec.plugins)?, converters()?)) };
    let errors = ErrorConfig::parse(&spec.connector)?;
    let dead_letters = DeadLetters::open(&cx, &errors).await?;
    let stopping = cx.control.stopping().clone();
    let operator = ErrorOperator::new(id.clone(), errors, dead_letters, Arc::clone(&cx.metrics), stopping);
    let (guarantee, store) = (config.guarantee.name(), config.store.name());
    tracing::info!(guarantee, reason = config.reason, store, "processor starts");
    let topics = Topics::new(&cx, &config)?;
    let consumer = worker
        .consumer(&id.connector, id.task, &spec.connector)
        .set("isolation.level", config.guarantee.isolation())
        // A task that was killed is missed this soon: until then its partitions wait.
        .set_default("session.timeout.ms", 10_000);
    let tables = until_answered(&cx.control, "read the tables", async || {
        Tables::open(&cx, &links, &consumer, &topics, plain()?, &operator).await
    });
    let Some(tables) = tables.await? else { return Ok(()) };
    let outbox = Outbox::open(&cx, &config)?;
    let group = match config.topics.len() {
        1 => consumer.clone(),
        // Partitions of one number must stay together: they share their state.
        _ => consumer.clone().set_native("partition.assignment.strategy", "range"),
    };
    let input = Consumer::subscribe(&group, &config.topics)?;
    let (decoder, encoder) = (plain()?, Encoder::new(chain, converters()?));
    let changelogs = Changelogs::new(&worker.group_id, &id.connector, &links.layout);
    let process_loop = ProcessLoop {
        config,
        links,
        topics,
        tables,
        outbox,
        input,
        consumer,
        changelogs,
        decoder,
        encoder,
        operator,
        owned: BTreeMap::new(),
        committed: Offsets::new(),
        paused: false,
        aborts: 0,
        next_flush: Instant::now(),
        cx,
    };
    process_loop.run().await
}

/// Repeats what cannot be done for now: a topic is there for one broker a little later than for the other, and a broker that
/// is away comes back. Ends with another error, or with the last one when the task is asked to stop.
async fn until_answered<T>(control: &Control, what: &str, mut step: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    loop {
        match step().await {
            Err(error) if error.is_retriable() && !control.is_stopping() => {
                tracing::warn!(%error, "could not {what}, trying again");
                control.sleep(RETRY).await;
            }
            outcome => return outcome,
        }
    }
}
