use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Backoff, Error, Offsets, Result};
use tributary_kafka::{ClientConfig, Consumer, Polled, RawRecord};

use super::assignment::OwnedPartition;
use super::batch_limit::BatchLimit;
use super::fill::OutputOrigin;
use super::renewal::{ExitReason, Renewals};
use super::restore::Changelogs;
use super::transactional_output::{CommitError, Renewal};
use super::{ProcessorConfig, Tables, Topics, TransactionalOutput, TransformStores};
use crate::tasks::{Decoder, Encoder, ErrorOperator, TaskContext, now_ms};

/// The maximum wait of one poll, so that a request to stop or pause is noticed within this time.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How often state files are synced to disk. This only shortens the next restore.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// The loop of one processor task.
pub(super) struct ProcessLoop {
    pub(super) cx: TaskContext,
    pub(super) config: ProcessorConfig,
    pub(super) stores: TransformStores,
    pub(super) topics: Topics,
    pub(super) tables: Tables,
    pub(super) output: TransactionalOutput,
    pub(super) input: Consumer,
    /// Settings for the consumers of changelogs and tables.
    pub(super) consumer: ClientConfig,
    /// Settings for the consumer of the input topics.
    pub(super) group: ClientConfig,
    pub(super) changelogs: Changelogs,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) operator: ErrorOperator,
    pub(super) owned: BTreeMap<i32, OwnedPartition>,
    /// The group's offsets of the owned partitions; for a partition without one, the offset it is read from.
    pub(super) committed: Offsets,
    /// How many partitions the input topics have.
    pub(super) partition_count: i32,
    pub(super) paused: bool,
    pub(super) limit: BatchLimit,
    /// Records and timers whose outputs or state the broker refused; kept until they are committed as failed.
    pub(super) refused: HashMap<OutputOrigin, Error>,
    /// The wait after an aborted batch.
    pub(super) abort_backoff: Backoff,
    pub(super) renewals: Renewals,
    pub(super) next_flush: Instant,
}

impl ProcessLoop {
    /// Runs until the task is stopped or fails.
    ///
    /// # Errors
    /// Why it failed.
    pub(super) async fn run(mut self) -> Result<()> {
        self.cx.reporter.running(self.cx.control.is_paused());
        let outcome = loop {
            match self.work().await {
                Ok(()) => break Ok(()),
                Err(ExitReason::Fail(error)) => break Err(error),
                Err(ExitReason::Renew(_)) if self.cx.control.is_stopping() => break Ok(()),
                Err(ExitReason::Renew(renewal)) => {
                    if let Err(error) = self.renew(renewal).await {
                        break Err(error);
                    }
                }
            }
        };
        self.finish();
        outcome
    }

    async fn work(&mut self) -> Result<(), ExitReason> {
        while !self.cx.control.is_stopping() {
            self.follow_pause()?;
            self.tables.follow(&self.operator)?;
            self.flush_stores()?;
            if !self.limit.is_at_max() && self.is_timer_due() {
                // While the batch limit is reduced, timers are processed in separate batches.
                self.transact(Vec::new()).await?;
            }
            match self.input.poll(self.limit.get(), self.wait()) {
                Ok(Polled::Records(raw)) => {
                    let (raw, rebalance) = self.gather(raw)?;
                    self.transact(raw).await?;
                    if let Some(rebalance) = rebalance {
                        self.rebalance(rebalance).await?;
                    }
                }
                Ok(Polled::Idle) if self.is_timer_due() => self.transact(Vec::new()).await?,
                Ok(rebalance) => self.rebalance(rebalance).await?,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "could not read, trying again");
                    self.cx.control.sleep(POLL_TIMEOUT).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn rebalance(&mut self, polled: Polled) -> Result<()> {
        match polled {
            Polled::Assigned(partitions) => self.assigned(&partitions).await,
            Polled::Revoked { partitions, lost } => self.revoked(&partitions, lost),
            Polled::Records(_) | Polled::Idle => Ok(()),
        }
    }

    /// With a commit interval, waits for more records to commit together. A rebalance ends the wait and is handled
    /// after the batch.
    fn gather(&mut self, mut raw: Vec<RawRecord>) -> Result<(Vec<RawRecord>, Option<Polled>)> {
        let until = std::time::Instant::now() + self.config.commit_interval;
        while raw.len() < self.limit.get() && !self.cx.control.is_stopping() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            match self.input.poll(self.limit.get() - raw.len(), left.min(POLL_TIMEOUT)) {
                Ok(Polled::Records(more)) => raw.extend(more),
                Ok(Polled::Idle) => {}
                Ok(rebalance) => return Ok((raw, Some(rebalance))),
                Err(error) if error.is_retriable() => break,
                Err(error) => return Err(error),
            }
        }
        Ok((raw, None))
    }

    /// How long a poll may wait for records.
    fn wait(&self) -> Duration {
        let until = |at: i64| Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0));
        self.next_timer().map_or(POLL_TIMEOUT, until).min(POLL_TIMEOUT)
    }

    fn is_timer_due(&self) -> bool {
        self.next_timer().is_some_and(|at| at <= now_ms())
    }

    fn next_timer(&self) -> Option<i64> {
        if self.paused {
            return None;
        }
        self.owned.values().filter_map(|owned| owned.state.next_timer()).min()
    }

    /// Pauses and resumes on the operator's request. The consumer stays in its group; timers do not fire while paused.
    fn follow_pause(&mut self) -> Result<()> {
        let paused = self.cx.control.is_paused();
        if paused == self.paused {
            return Ok(());
        }
        self.paused = paused;
        let partitions = self.partitions();
        if paused {
            self.input.pause(&partitions)?
        } else {
            self.input.resume(&partitions)?
        }
        self.cx.reporter.running(paused);
        Ok(())
    }

    fn flush_stores(&mut self) -> Result<()> {
        if Instant::now() < self.next_flush {
            return Ok(());
        }
        self.next_flush = Instant::now() + FLUSH_INTERVAL;
        self.owned.values_mut().try_for_each(|owned| owned.state.flush())
    }

    fn finish(mut self) {
        if self.cx.control.is_abandoned() {
            return;
        }
        match self.output.abort() {
            Ok(()) => {}
            Err(CommitError::Retry(error) | CommitError::Fail(error) | CommitError::Renew(Renewal { error, .. })) => {
                tracing::warn!(%error, "could not abort the last transaction: the broker will abort it on timeout");
            }
        }
        for owned in self.owned.values_mut() {
            owned.state.abort();
            if let Err(error) = owned.state.flush() {
                tracing::warn!(%error, "could not flush state: the next restore will take longer");
            }
        }
        self.owned.clear();
        self.input.close();
    }
}
