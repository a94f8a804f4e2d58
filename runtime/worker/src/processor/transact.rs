use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Result};
use tributary_kafka::{ProducerRecord, RawRecord, Token};
use tributary_state::{Positions, Slot};

use super::delivery_reports::{Refusal, origin};
use super::fill::{BatchProgress, OutputOrigin};
use super::process_loop::ProcessLoop;
use super::renewal::ExitReason;
use super::retries::{ABORTS, BatchRetries};
use super::transactional_output::CommitError;

impl ProcessLoop {
    /// Processes and commits one batch atomically.
    pub(super) async fn transact(&mut self, raw: Vec<RawRecord>) -> Result<(), ExitReason> {
        let mut progress = BatchProgress::of(&raw);
        let outcome = self.try_batch(raw, &mut progress).await;
        let took = progress.begun.elapsed();
        match outcome {
            Ok(()) => {
                self.retries.committed(&progress, took);
                let metrics = &self.cx.metrics;
                metrics.sink.read.add(progress.records);
                metrics.sink.sent.add(progress.outputs);
                metrics.batch_size.record(progress.records as u64);
                // A batch that took too long is committed without its last records: they are read again.
                if !progress.postponed.is_empty() {
                    self.partitions.consumer.seek_all(&progress.postponed)?;
                }
                Ok(())
            }
            Err(CommitError::Fail(error)) => Err(ExitReason::Fail(error)),
            Err(CommitError::Renew(renewal)) => {
                self.retries.failed(&progress, took, self.output.take_refusal());
                Err(ExitReason::Renew(renewal))
            }
            Err(CommitError::Retry(error)) => self.roll_back(&progress, error).await,
        }
    }

    async fn try_batch(&mut self, raw: Vec<RawRecord>, progress: &mut BatchProgress) -> Result<(), CommitError> {
        self.output.begin()?;
        if !self.fill(raw, progress).await? {
            return Err(CommitError::Retry(Error::retriable("the task is stopping")));
        }
        self.dead_letters_delivered().await?;
        self.commit(progress)
    }

    /// The offset after a failed record is committed only when its dead letter is acknowledged.
    async fn dead_letters_delivered(&self) -> Result<(), CommitError> {
        let Some(letters) = self.chain.operator.dead_letters() else { return Ok(()) };
        tokio::select! {
            biased;
            delivered = letters.delivered(self.config.transaction_timeout / 2) => Ok(delivered?),
            () = self.cx.control.stopping().cancelled() => {
                Err(CommitError::Retry(Error::retriable("the task is stopping")))
            }
        }
    }

    fn commit(&mut self, progress: &BatchProgress) -> Result<(), CommitError> {
        if self.cx.control.is_abandoned() {
            return Err(CommitError::Retry(Error::retriable("the task is abandoned")));
        }
        let started = Instant::now();
        let topics = &self.changelogs.topics;
        let changes = self.partitions.owned.iter().flat_map(|(partition, owned)| {
            owned.state.changes().map(move |(slot, key, value)| {
                let record = ProducerRecord {
                    topic: &topics[slot.0],
                    partition: Some(*partition),
                    key: Some(key),
                    value: value.map(|value| &**value),
                    headers: &[],
                    timestamp: None,
                };
                (token(*partition, slot), record)
            })
        });
        // A transaction with only timers commits offsets too: committing offsets with the group's generation fences off
        // a former owner of the partitions.
        let fired = self.partitions.committed.iter().filter(|(at, _)| self.partitions.is_changed(at.partition));
        let mut offsets: Offsets = fired.map(|(at, next)| (at.clone(), *next)).collect();
        offsets.extend(progress.next.iter().map(|(at, next)| (at.clone(), *next)));
        let committed = self.output.commit(changes, &offsets, &self.partitions.consumer);
        self.cx.metrics.offsets_committed(started.elapsed(), committed.is_ok());
        committed?;
        self.partitions.committed.extend(offsets);
        for (partition, owned) in self.partitions.owned.iter_mut().filter(|(_, owned)| owned.state.is_changed()) {
            let mut positions: Positions = owned.state.positions().clone();
            for (slot, name) in self.chain.stores.layout.slots() {
                if let Some(end) = self.output.end_of(token(*partition, slot)) {
                    positions.changelog.insert(name.to_owned(), end);
                }
            }
            if positions.topics != self.changelogs.ids {
                positions.topics.clone_from(&self.changelogs.ids);
            }
            let own = progress.next.iter().filter(|(at, _)| at.partition == *partition);
            positions.input.extend(own.map(|(at, next)| (at.clone(), *next)));
            owned.state.commit(&positions).map_err(CommitError::Fail)?;
        }
        Ok(())
    }

    /// Discards the batch and reads it again.
    async fn roll_back(&mut self, progress: &BatchProgress, error: Error) -> Result<(), ExitReason> {
        self.partitions.discard_changes();
        if self.cx.control.is_stopping() {
            return Ok(());
        }
        // After the abort all delivery reports have arrived.
        let aborted = self.output.abort();
        let refused = self.retries.failed(progress, progress.begun.elapsed(), self.output.take_refusal());
        aborted?;
        if let Some(error) = self.output.denial() {
            return Err(ExitReason::Fail(error));
        }
        let BatchRetries { backoff, limit, .. } = &mut self.retries;
        let wait = if refused { Duration::ZERO } else { backoff.next_wait() };
        if refused || backoff.should_log() {
            let (tries, limit) = (backoff.tries(), limit.get());
            tracing::warn!(%error, tries, limit, "batch was aborted, it is processed again");
        }
        if !refused && backoff.tries().is_multiple_of(ABORTS) {
            return Err(Error::retriable(format!("batch was aborted {ABORTS} times in a row")).cause(&error).into());
        }
        self.partitions.read_again(&progress.first)?;
        self.cx.control.sleep(wait).await;
        Ok(())
    }
}

impl BatchProgress {
    /// The record or timer whose outputs or state the broker refused; none when it may be one of several.
    pub(super) fn failing_origin(&self, refusal: &Refusal) -> Option<&OutputOrigin> {
        if let [only] = &*self.origins {
            return Some(only);
        }
        let first = refusal.tokens.first().copied().and_then(origin)?;
        let alone = refusal.tokens.iter().all(|token| origin(*token) == Some(first));
        if alone { self.origins.get(first) } else { None }
    }
}

/// The token of the changelog records of a partition's store; differs from every output's.
pub(super) fn token(partition: i32, slot: Slot) -> Token {
    (u64::from(partition.unsigned_abs()) << 16) | (slot.0 as u64 + 1)
}

/// The partition and the slot of a changelog record's token.
pub(super) fn changelog(token: Token) -> Option<(i32, usize)> {
    let slot = usize::try_from(token & 0xffff).ok()?.checked_sub(1)?;
    Some((i32::try_from(token >> 16).ok()?, slot))
}
