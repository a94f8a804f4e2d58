use std::time::Duration;

use tributary_api::Result;
use tributary_api::time::now_ms;
use tributary_kafka::{ClientConfig, Polled, RawRecord};

use super::partitions::OwnedPartitions;
use super::renewal::{ExitReason, Renewals};
use super::restore::Changelogs;
use super::retries::BatchRetries;
use super::stateful_chain::StatefulChain;
use super::transactional_output::{CommitError, Renewal};
use super::{ProcessorConfig, Topics, TransactionalOutput};
use crate::tasks::TaskContext;

/// The maximum wait of one poll, so that a request to stop or pause is noticed within this time.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The loop of one processor task: it reads, and decides what its parts do next.
pub(super) struct ProcessLoop {
    pub(super) cx: TaskContext,
    pub(super) config: ProcessorConfig,
    pub(super) topics: Topics,
    pub(super) changelogs: Changelogs,
    /// Settings for the consumers of changelogs.
    pub(super) consumer: ClientConfig,
    pub(super) partitions: OwnedPartitions,
    pub(super) chain: StatefulChain,
    pub(super) output: TransactionalOutput,
    pub(super) retries: BatchRetries,
    pub(super) renewals: Renewals,
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
            self.chain.between_transactions(now_ms())?;
            self.partitions.flush_if_due()?;
            if !self.retries.limit.is_at_max() && self.is_timer_due() {
                // While the batch limit is reduced, timers are processed in separate batches.
                self.transact(Vec::new()).await?;
            }
            match self.partitions.consumer.poll(self.retries.limit.get(), self.wait()) {
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
            Polled::Revoked { partitions, lost } => self.partitions.release(&partitions, lost),
            Polled::Records(_) | Polled::Idle => Ok(()),
        }
    }

    /// With a commit interval, waits for more records to commit together. A rebalance ends the wait and is handled
    /// after the batch.
    fn gather(&mut self, mut raw: Vec<RawRecord>) -> Result<(Vec<RawRecord>, Option<Polled>)> {
        let until = std::time::Instant::now() + self.config.commit_interval;
        while raw.len() < self.retries.limit.get() && !self.cx.control.is_stopping() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            match self.partitions.consumer.poll(self.retries.limit.get() - raw.len(), left.min(POLL_TIMEOUT)) {
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
        self.partitions.next_timer().map_or(POLL_TIMEOUT, until).min(POLL_TIMEOUT)
    }

    fn is_timer_due(&self) -> bool {
        self.partitions.next_timer().is_some_and(|at| at <= now_ms())
    }

    fn follow_pause(&mut self) -> Result<()> {
        let paused = self.cx.control.is_paused();
        if self.partitions.set_paused(paused)? {
            self.cx.reporter.running(paused);
        }
        Ok(())
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
        self.partitions.close();
    }
}
