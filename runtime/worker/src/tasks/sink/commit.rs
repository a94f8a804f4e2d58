use tokio::time::Instant;
use tributary_api::{Error, Offsets, Result, TopicPartition};

use super::{RecordConsumer, SinkLoop};

impl<I: RecordConsumer> SinkLoop<I> {
    /// Commits the safe offsets without waiting for the answer; does nothing while an earlier commit is unanswered.
    pub(super) async fn commit_if_free(&mut self) -> Result<()> {
        let worker = &self.cx.spec.worker;
        self.next_commit = Instant::now() + worker.offset_flush_interval;
        if let Some(since) = self.committing {
            if since.elapsed() < worker.offset_flush_timeout {
                return Ok(());
            }
            tracing::warn!("a commit of offsets was not answered in time");
            self.cx.metrics.offsets_committed(since.elapsed(), false);
            self.committing = None;
        }
        let partitions = self.progress.partitions();
        let Some(offsets) = self.safe_offsets(&partitions, false).await? else { return Ok(()) };
        self.cx.metrics.sink.commit_seq_no.add(1);
        match self.input.commit_async(&offsets) {
            Ok(()) => self.committing = Some(Instant::now()),
            Err(error) => {
                tracing::error!(%error, "could not commit offsets, trying again with the next interval");
                self.cx.metrics.offset_commit_failure.add(1);
            }
        }
        Ok(())
    }

    /// Commits the safe offsets of partitions that are being revoked, and waits for the answer.
    pub(super) async fn commit_and_wait(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.collect_commits();
        let Some(offsets) = self.safe_offsets(partitions, true).await? else { return Ok(()) };
        if self.cx.control.is_abandoned() {
            return Ok(());
        }
        self.cx.metrics.sink.commit_seq_no.add(1);
        let started = Instant::now();
        let outcome = self.input.commit(&offsets);
        self.committed(started, outcome.map(|()| offsets));
        Ok(())
    }

    /// Takes the answers to asynchronous commits.
    pub(super) fn collect_commits(&mut self) {
        if let Some(since) = self.committing {
            for outcome in self.input.commit_results() {
                self.committing = None;
                self.committed(since, outcome);
            }
        }
    }

    fn committed(&mut self, since: Instant, outcome: Result<Offsets>) {
        self.cx.metrics.offsets_committed(since.elapsed(), outcome.is_ok());
        match outcome {
            Ok(offsets) => {
                self.cx.metrics.sink.commits_completed.add(1);
                self.progress.committed(&offsets);
            }
            Err(error) => tracing::error!(%error, "could not commit offsets, trying again with the next interval"),
        }
    }

    /// The offsets that the plugin calls safe; none when there is nothing to commit.
    async fn safe_offsets(&mut self, partitions: &[TopicPartition], closing: bool) -> Result<Option<Offsets>> {
        let current = self.progress.current(partitions);
        if current.is_empty() {
            return Ok(None);
        }
        let timeout = self.cx.spec.worker.offset_flush_timeout;
        if let Some(dead_letters) = self.operator.dead_letters() {
            match dead_letters.delivered(timeout).await {
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "offsets are not committed yet");
                    self.cx.metrics.sink.commits_skipped.add(1);
                    return Ok(None);
                }
                outcome => outcome?,
            }
        }
        match self.calls.call("pre_commit", self.task.pre_commit(&current)).await {
            Ok(safe) => {
                let offsets = self.progress.committable(partitions, safe);
                if offsets.is_empty() {
                    self.cx.metrics.sink.commits_skipped.add(1);
                }
                Ok((!offsets.is_empty()).then_some(offsets))
            }
            Err(error) if self.calls.is_broken() => Err(error),
            Err(error) => {
                tracing::error!(%error, "pre_commit failed: no offsets are committed");
                self.cx.metrics.offset_commit_failure.add(1);
                if !closing {
                    self.rewind(&error)?;
                }
                Ok(None)
            }
        }
    }

    /// Seeks all partitions back to their last commit.
    fn rewind(&mut self, reason: &Error) -> Result<()> {
        let targets = self.progress.rewind();
        tracing::warn!(%reason, "reading partitions again from their last commit");
        self.discard_undelivered(&self.progress.partitions())?;
        targets.iter().try_for_each(|(partition, offset)| self.input.seek(partition, *offset))
    }
}
