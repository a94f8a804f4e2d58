//! Source tasks whose records and offsets are written in transactions (KIP-618): readers with
//! `isolation.level=read_committed` see each record once, whenever the worker ends.
//!
//! Records and the offsets behind them are committed together, so that a task that starts again goes on exactly behind what is
//! committed. Its transactional id fences off whoever had the task before. What fails for another reason than a record or the
//! plugin is made good by a new producer and a new task, from the stored offsets.

mod boundary;
mod reports;
mod transaction;
mod transactional_loop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_api::{Error, Result, SourceTask};

use self::transaction::Transactions;
use self::transactional_loop::TransactionalLoop;
use super::{HEALTHY_AFTER, MAX_LOST_PRODUCERS, PRODUCER_RETRY};
use crate::connector_config::TransactionBoundary;
use crate::tasks::TaskContext;

/// Why a task cannot go on as it is.
#[derive(Debug)]
enum Ending {
    /// What is not committed is lost: a new producer goes on from the stored offsets.
    Renew(Error),
    /// The task fails.
    Fail(Error),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}

/// Runs a source task in transactions until it is stopped or fails.
///
/// # Errors
/// Why it failed.
pub(super) async fn run(
    cx: &Arc<TaskContext>,
    boundary: TransactionBoundary,
    make: &(dyn Fn() -> Box<dyn SourceTask> + Send + Sync),
) -> Result<()> {
    let mut ends = 0;
    loop {
        let started = Instant::now();
        let error = match run_once(cx, boundary, make()).await {
            Ok(()) => return Ok(()),
            Err(Ending::Fail(error)) => return Err(error),
            Err(Ending::Renew(error)) if cx.control.is_stopping() => {
                tracing::warn!(%error, "the last transaction was not committed: its records come again with the next start");
                return Ok(());
            }
            // Whatever the client has made of it: to take the transactional id back would only make two workers fence each other
            // off for ever.
            Err(Ending::Renew(error)) if cx.reporter.is_taken_over().await => {
                return Err(taken_over(cx).cause(&error));
            }
            Err(Ending::Renew(error)) => error,
        };
        ends = if started.elapsed() > HEALTHY_AFTER { 1 } else { ends + 1 };
        if ends >= MAX_LOST_PRODUCERS {
            return Err(error.context("the transaction of source records failed again and again"));
        }
        tracing::error!(%error, "a transaction failed, the task starts again from its stored offsets");
        cx.control.sleep(PRODUCER_RETRY).await;
    }
}

async fn run_once(
    cx: &Arc<TaskContext>,
    boundary: TransactionBoundary,
    task: Box<dyn SourceTask>,
) -> Result<(), Ending> {
    let Some(transactions) = Transactions::open(cx).await? else { return Ok(()) };
    TransactionalLoop::new(Arc::clone(cx), task, transactions, boundary)?.run().await
}

fn taken_over(cx: &TaskContext) -> Error {
    let group = &cx.spec.worker.group_id;
    Error::fatal(format!(
        "another worker runs this task and has fenced this one off: give each worker its own group.id (both have {group}), or \
         stop one of them and restart the task"
    ))
    .with_class("org.apache.kafka.common.errors.ProducerFencedException")
}

/// How long one call waits for the broker: so soon is a request to stop seen. Calls that were cut short are made again.
const SLICE: Duration = Duration::from_secs(2);
