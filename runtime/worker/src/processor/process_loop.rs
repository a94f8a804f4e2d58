use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Offsets, Result};
use tributary_kafka::{ClientConfig, Consumer, Polled, RawRecord};

use super::assignment::Owned;
use super::outbox::CommitError;
use super::restore::Changelogs;
use super::{Links, Outbox, ProcessorConfig, Tables, Topics};
use crate::tasks::{Decoder, Encoder, ErrorOperator, TaskContext, now_ms};

/// How long one poll waits at most: so soon is a request to stop or pause seen.
pub(super) const SLICE: Duration = Duration::from_millis(100);
/// How often state files are made durable: it shortens the next restore and nothing else.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// One processor task at work.
pub(super) struct ProcessLoop {
    pub(super) cx: TaskContext,
    pub(super) config: ProcessorConfig,
    pub(super) links: Links,
    pub(super) topics: Topics,
    pub(super) tables: Tables,
    pub(super) outbox: Outbox,
    pub(super) input: Consumer,
    /// Settings of further consumers.
    pub(super) consumer: ClientConfig,
    pub(super) changelogs: Changelogs,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) operator: ErrorOperator,
    pub(super) owned: BTreeMap<i32, Owned>,
    /// The group's offsets of the partitions owned, as far as there are any.
    pub(super) committed: Offsets,
    pub(super) paused: bool,
    pub(super) aborts: u32,
    pub(super) next_flush: Instant,
}

impl ProcessLoop {
    /// Runs until the task is stopped or fails.
    ///
    /// # Errors
    /// Why it failed.
    pub(super) async fn run(mut self) -> Result<()> {
        self.cx.voice.running(self.cx.control.is_paused());
        let outcome = self.work().await;
        let stopping = self.cx.control.is_stopping();
        self.finish();
        match outcome {
            // What could be tried again later will be, by the task's next life.
            Err(error) if stopping && error.is_retriable() => Ok(()),
            outcome => outcome,
        }
    }

    async fn work(&mut self) -> Result<()> {
        while !self.cx.control.is_stopping() {
            self.follow_pause()?;
            self.tables.follow(&self.operator)?;
            self.flush_stores()?;
            match self.input.poll(self.config.max_batch, self.wait()) {
                Ok(Polled::Records(raw)) => {
                    let (raw, met) = self.gather(raw)?;
                    self.transact(raw).await?;
                    if let Some(met) = met {
                        self.rebalance(met).await?;
                    }
                }
                Ok(Polled::Idle) if self.next_timer().is_some_and(|at| at <= now_ms()) => {
                    self.transact(Vec::new()).await?;
                }
                Ok(met) => self.rebalance(met).await?,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "could not read, trying again");
                    self.cx.control.sleep(SLICE).await;
                }
                Err(error) => return Err(error),
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

    /// With a commit interval, waits for more records to commit together. A rebalance ends the wait and is answered
    /// behind the batch.
    fn gather(&mut self, mut raw: Vec<RawRecord>) -> Result<(Vec<RawRecord>, Option<Polled>)> {
        let until = std::time::Instant::now() + self.config.commit_interval;
        while raw.len() < self.config.max_batch && !self.cx.control.is_stopping() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            match self.input.poll(self.config.max_batch - raw.len(), left.min(SLICE)) {
                Ok(Polled::Records(more)) => raw.extend(more),
                Ok(Polled::Idle) => {}
                Ok(met) => return Ok((raw, Some(met))),
                Err(error) if error.is_retriable() => break,
                Err(error) => return Err(error),
            }
        }
        Ok((raw, None))
    }

    /// How long a poll may wait for records.
    fn wait(&self) -> Duration {
        let until = |at: i64| Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0));
        self.next_timer().map_or(SLICE, until).min(SLICE)
    }

    fn next_timer(&self) -> Option<i64> {
        if self.paused {
            return None;
        }
        self.owned.values().filter_map(|owned| owned.state.next_timer()).min()
    }

    /// Pauses and resumes as the operator wishes. The consumer stays in its group; timers wait.
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
        self.cx.voice.running(paused);
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
        if let Err(CommitError::Again(error) | CommitError::Stop(error)) = self.outbox.abort() {
            tracing::warn!(%error, "could not abort the last transaction, the broker will");
        }
        for owned in self.owned.values_mut() {
            owned.state.abort();
            if let Err(error) = owned.state.flush() {
                tracing::warn!(%error, "could not flush state, its restore takes longer");
            }
        }
        self.owned.clear();
        self.input.close();
    }
}
