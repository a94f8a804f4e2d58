//! Source tasks whose records and offsets are written in transactions (KIP-618): readers with
//! `isolation.level=read_committed` see each record once, whenever the worker ends.
//!
//! Records and their offsets are committed together, so a task that starts again continues exactly after the last committed
//! record. Its transactional id fences off an earlier producer of the same task. After a failure that is neither a record's
//! nor the plugin's, a new producer and a new task continue from the stored offsets.

mod reports;
mod requested_ends;
mod transaction;
mod transactional_loop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_api::{Error, Result, SourceTask};

use self::transaction::Transactions;
use self::transactional_loop::TransactionalLoop;
use super::{LostProducers, PRODUCER_RETRY};
use crate::connector_config::TransactionBoundary;
use crate::tasks::TaskContext;

/// Why the loop ended.
#[derive(Debug)]
enum ExitReason {
    /// The open transaction is lost: a new producer continues from the stored offsets.
    Renew(Error),
    /// The task fails.
    Fail(Error),
}

impl From<Error> for ExitReason {
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
    let mut lost_producers = LostProducers::default();
    loop {
        let started = Instant::now();
        let error = match run_once(cx, boundary, make()).await {
            Ok(()) => return Ok(()),
            Err(ExitReason::Fail(error)) => return Err(error),
            Err(ExitReason::Renew(error)) if cx.control.is_stopping() => {
                tracing::warn!(%error, "the last transaction was not committed: its records are read again at the next start");
                return Ok(());
            }
            // Whatever the client's error says: taking the transactional id back would make two workers fence each other off
            // again and again.
            Err(ExitReason::Renew(error)) if cx.reporter.is_taken_over().await => {
                return Err(taken_over(cx).cause(&error));
            }
            Err(ExitReason::Renew(error)) => error,
        };
        if !lost_producers.may_go_on(started.elapsed()) {
            return Err(error.context("the transactions of this task failed several times in a row"));
        }
        tracing::error!(%error, "a transaction failed, the task starts again from its stored offsets");
        cx.control.sleep(PRODUCER_RETRY).await;
    }
}

async fn run_once(
    cx: &Arc<TaskContext>,
    boundary: TransactionBoundary,
    task: Box<dyn SourceTask>,
) -> Result<(), ExitReason> {
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

/// The timeout of one call, after which a request to stop is noticed. A call that timed out is repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
