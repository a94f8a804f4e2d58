//! When a sink task commits its offsets, and what of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Error, Offsets, Result, TopicPartition};

use super::delivery::Delivery;
use super::partitions::Partitions;
use super::plugin::SinkPlugin;
use super::{RecordConsumer, SinkOffsets};
use crate::tasks::errors::ErrorOperator;
use crate::tasks::{TaskContext, TaskMetrics};

/// Commits the offsets that the plugin calls safe, and no others (I3).
pub(super) struct Commits {
    operator: Arc<ErrorOperator>,
    metrics: Arc<TaskMetrics>,
    interval: Duration,
    timeout: Duration,
    /// When the next one is due.
    due: Instant,
    /// When the asynchronous commit was sent whose answer is pending.
    unanswered: Option<Instant>,
}

/// What the plugin says of the offsets of its partitions.
enum SafeOffsets {
    Known(Offsets),
    /// There is nothing to commit.
    None,
    /// They are not known: the records have to be delivered again.
    Unknown(Error),
}

impl Commits {
    pub(super) fn new(operator: Arc<ErrorOperator>, cx: &TaskContext) -> Self {
        let worker = &cx.spec.worker;
        let (interval, timeout) = (worker.offset_flush_interval, worker.offset_flush_timeout);
        let (metrics, due) = (Arc::clone(&cx.metrics), Instant::now() + interval);
        Self { operator, metrics, interval, timeout, due, unanswered: None }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Commits the safe offsets without waiting for the answer; does nothing while an earlier commit is unanswered. If
    /// the plugin cannot say what is safe, all partitions are read again from their last commit.
    pub(super) async fn commit_if_free<I: RecordConsumer>(
        &mut self,
        plugin: &mut SinkPlugin,
        partitions: &mut Partitions<I>,
        delivery: &mut Delivery,
    ) -> Result<()> {
        self.due = Instant::now() + self.interval;
        if let Some(since) = self.unanswered {
            if since.elapsed() < self.timeout {
                return Ok(());
            }
            tracing::warn!("a commit of offsets was not answered in time");
            self.metrics.offsets_committed(since.elapsed(), false);
            self.unanswered = None;
        }
        let offsets = match self.safe_offsets(&partitions.all(), plugin, &partitions.progress).await? {
            SafeOffsets::Known(offsets) => offsets,
            SafeOffsets::None => return Ok(()),
            SafeOffsets::Unknown(error) => return rewind(&error, partitions, delivery),
        };
        self.metrics.sink.commit_seq_no.add(1);
        match partitions.consumer.commit_async(&offsets) {
            Ok(()) => self.unanswered = Some(Instant::now()),
            Err(error) => {
                tracing::error!(%error, "could not commit offsets, trying again with the next interval");
                self.metrics.offset_commit_failure.add(1);
            }
        }
        Ok(())
    }

    /// Commits the safe offsets of partitions that are given up, and waits for the answer. Nothing is committed once
    /// `abandoned` is true after the plugin's answer: another task may have the partitions.
    pub(super) async fn commit_and_wait<I: RecordConsumer>(
        &mut self,
        of: &[TopicPartition],
        plugin: &mut SinkPlugin,
        partitions: &mut Partitions<I>,
        abandoned: impl Fn() -> bool,
    ) -> Result<()> {
        self.collect(partitions);
        let SafeOffsets::Known(offsets) = self.safe_offsets(of, plugin, &partitions.progress).await? else {
            return Ok(());
        };
        if abandoned() {
            return Ok(());
        }
        self.metrics.sink.commit_seq_no.add(1);
        let started = Instant::now();
        let outcome = partitions.consumer.commit(&offsets);
        self.answered(started, outcome.map(|()| offsets), partitions);
        Ok(())
    }

    /// Takes the answers to asynchronous commits.
    pub(super) fn collect<I: RecordConsumer>(&mut self, partitions: &mut Partitions<I>) {
        if let Some(since) = self.unanswered {
            for outcome in partitions.consumer.commit_results() {
                self.unanswered = None;
                self.answered(since, outcome, partitions);
            }
        }
    }

    fn answered<I>(&self, since: Instant, outcome: Result<Offsets>, partitions: &mut Partitions<I>) {
        self.metrics.offsets_committed(since.elapsed(), outcome.is_ok());
        match outcome {
            Ok(offsets) => {
                self.metrics.sink.commits_completed.add(1);
                partitions.progress.committed(&offsets);
            }
            Err(error) => tracing::error!(%error, "could not commit offsets, trying again with the next interval"),
        }
    }

    async fn safe_offsets(
        &self,
        of: &[TopicPartition],
        plugin: &mut SinkPlugin,
        progress: &SinkOffsets,
    ) -> Result<SafeOffsets> {
        let current = progress.current(of);
        if current.is_empty() {
            return Ok(SafeOffsets::None);
        }
        // A failed record's dead letter must be acknowledged before its offset is committed (I5).
        if let Some(dead_letters) = self.operator.dead_letters() {
            match dead_letters.delivered(self.timeout).await {
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "offsets are not committed yet");
                    self.metrics.sink.commits_skipped.add(1);
                    return Ok(SafeOffsets::None);
                }
                outcome => outcome?,
            }
        }
        match plugin.pre_commit(&current).await {
            Ok(safe) => {
                let offsets = progress.committable(of, safe);
                if offsets.is_empty() {
                    self.metrics.sink.commits_skipped.add(1);
                    return Ok(SafeOffsets::None);
                }
                Ok(SafeOffsets::Known(offsets))
            }
            Err(error) if plugin.is_broken() => Err(error),
            Err(error) => {
                tracing::error!(%error, "pre_commit failed: no offsets are committed");
                self.metrics.offset_commit_failure.add(1);
                Ok(SafeOffsets::Unknown(error))
            }
        }
    }
}

/// Seeks all partitions back to their last commit.
fn rewind<I: RecordConsumer>(reason: &Error, partitions: &mut Partitions<I>, delivery: &mut Delivery) -> Result<()> {
    let targets = partitions.progress.rewind();
    tracing::warn!(%reason, "reading partitions again from their last commit");
    delivery.discard(&partitions.all(), partitions)?;
    targets.iter().try_for_each(|(partition, offset)| partitions.consumer.seek(partition, *offset))
}
