//! Fences off producers of former tasks (Kafka calls them zombies), of this worker or of an earlier one: their transactions
//! end before the new tasks start, which may read the same partitions of the source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tributary_api::{Error, Props, Result};
use tributary_kafka::{ClientConfig, Delivery, DeliveryListener, Producer, TransactionError};

use super::context::HerderContext;
use crate::stores::{ConnectorEntry, TaskGeneration};

/// Producers that are taken over at a time, each by a client.
const AT_A_TIME: usize = 8;
/// How long the broker may take for one.
const DEADLINE: Duration = Duration::from_secs(60);
const SLICE: Duration = Duration::from_secs(2);

/// Fences off the producers of all tasks that a source connector had before those it has now, and records how many it has
/// now, as Connect's leader does. Nothing is done where that is recorded already.
///
/// # Errors
/// When a producer cannot be fenced off, or the count not be written: no task may start.
pub(super) async fn fence(context: &HerderContext, name: &str, entry: &ConnectorEntry, config: &Props) -> Result<()> {
    let TaskGeneration { recorded, is_new } = context.configs.generation(name);
    if !is_new {
        return Ok(());
    }
    let tasks = u32::try_from(entry.tasks.len()).unwrap_or(u32::MAX);
    // One task that follows one fences it off by itself.
    let former = recorded.filter(|former| (*former, tasks) != (1, 1)).unwrap_or(0);
    if former > 0 {
        tracing::info!(connector = name, former, tasks, "fencing off the producers of earlier tasks");
    }
    let fences = (0..former).map(|task| {
        let client = context.settings.transactional_producer(name, task, config);
        async move { tokio::task::spawn_blocking(move || take_over(&client)).await.map_err(join_failed)? }
    });
    let fenced = stream::iter(fences).buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await;
    fenced.map_err(|error| error.context(format!("could not fence off the former tasks of connector {name}")))?;
    context.configs.put_task_count(name, tasks).await
}

/// Ends what the owner of the transactional id has open, and keeps it from writing.
fn take_over(client: &ClientConfig) -> Result<()> {
    let producer = Producer::new(client, Arc::new(NoListener))?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        match producer.init_transactions(SLICE) {
            Ok(()) => return Ok(()),
            Err(TransactionError::Retriable(error)) if Instant::now() < deadline => {
                tracing::debug!(%error, "fencing off a producer, trying again");
            }
            Err(error) => return Err(error.into_error()),
        }
    }
}

#[cold]
fn join_failed(error: tokio::task::JoinError) -> Error {
    Error::fatal("fencing off a producer failed").cause(&error)
}

/// Nothing is sent.
struct NoListener;

impl DeliveryListener for NoListener {
    fn delivered(&self, _deliveries: &[Delivery<'_>]) {}
}
