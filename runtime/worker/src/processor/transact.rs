use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Result};
use tributary_kafka::{ProducerRecord, RawRecord, Token};
use tributary_state::{Positions, Slot};

use super::fill::{Place, Progress};
use super::outbox::CommitError;
use super::process_loop::ProcessLoop;
use super::renewal::Ending;
use super::reports::{Refusal, origin};

/// After so many aborts in a row everything is made new: whatever stands in the way may be this side's.
const ABORTS: u32 = 8;

impl ProcessLoop {
    /// One batch, whole or not at all.
    pub(super) async fn transact(&mut self, raw: Vec<RawRecord>) -> Result<(), Ending> {
        let mut progress = Progress::of(&raw);
        let outcome = self.try_batch(raw, &mut progress).await;
        let took = progress.begun.elapsed();
        match outcome {
            Ok(()) => {
                self.again.reset();
                self.limit.committed(took);
                let metrics = &self.cx.metrics;
                metrics.sink.read.add(progress.records);
                metrics.sink.sent.add(progress.outputs);
                metrics.batch_size.record(progress.records as u64);
                // A batch that took too long was committed without its last records: they are read again.
                if !progress.left.is_empty() {
                    self.input.seek_all(&progress.left)?;
                }
                Ok(())
            }
            Err(CommitError::Stop(error)) => Err(Ending::Fail(error)),
            Err(CommitError::Renew(renewal)) => {
                self.learn(&progress, took);
                Err(Ending::Renew(renewal))
            }
            Err(CommitError::Again(error)) => self.roll_back(&progress, error).await,
        }
    }

    async fn try_batch(&mut self, raw: Vec<RawRecord>, progress: &mut Progress) -> Result<(), CommitError> {
        self.outbox.begin()?;
        if !self.fill(raw, progress).await? {
            return Err(CommitError::Again(Error::retriable("the task is stopping")));
        }
        self.dead_letters_delivered().await?;
        self.commit(progress)
    }

    /// The offsets behind a failed record are committed only when its letter has arrived.
    async fn dead_letters_delivered(&self) -> Result<(), CommitError> {
        let Some(letters) = self.operator.dead_letters() else { return Ok(()) };
        tokio::select! {
            biased;
            delivered = letters.delivered(self.config.transaction_timeout / 2) => Ok(delivered?),
            () = self.cx.control.stopping().cancelled() => {
                Err(CommitError::Again(Error::retriable("the task is stopping")))
            }
        }
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), CommitError> {
        if self.cx.control.is_abandoned() {
            return Err(CommitError::Again(Error::retriable("the task was given up")));
        }
        let started = Instant::now();
        let topics = &self.changelogs.topics;
        let changes = self.owned.iter().flat_map(|(partition, owned)| {
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
        // A transaction of timers alone holds offsets too: they are what fences off an owner of yesterday.
        let fired = self.committed.iter().filter(|(at, _)| self.is_changed(at.partition));
        let mut offsets: Offsets = fired.map(|(at, next)| (at.clone(), *next)).collect();
        offsets.extend(progress.next.iter().map(|(at, next)| (at.clone(), *next)));
        let committed = self.outbox.commit(changes, &offsets, &self.input);
        self.cx.metrics.offsets_committed(started.elapsed(), committed.is_ok());
        committed?;
        self.committed.extend(offsets);
        for (partition, owned) in self.owned.iter_mut().filter(|(_, owned)| owned.state.is_changed()) {
            let mut positions: Positions = owned.state.positions().clone();
            for (slot, name) in self.links.layout.slots() {
                if let Some(end) = self.outbox.end_of(token(*partition, slot)) {
                    positions.changelog.insert(name.to_owned(), end);
                }
            }
            if positions.topics != self.changelogs.ids {
                positions.topics.clone_from(&self.changelogs.ids);
            }
            let own = progress.next.iter().filter(|(at, _)| at.partition == *partition);
            positions.input.extend(own.map(|(at, next)| (at.clone(), *next)));
            owned.state.commit(&positions).map_err(CommitError::Stop)?;
        }
        if !self.refused.is_empty() {
            self.refused.retain(|place, _| !progress.places.contains(place));
        }
        Ok(())
    }

    fn is_changed(&self, partition: i32) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.state.is_changed())
    }

    /// Forgets the batch and reads it again.
    async fn roll_back(&mut self, progress: &Progress, error: Error) -> Result<(), Ending> {
        for owned in self.owned.values_mut() {
            owned.state.abort();
        }
        if self.cx.control.is_stopping() {
            return Ok(());
        }
        // All reports are in once the batch is given up.
        let aborted = self.outbox.abort();
        let learnt = self.learn(progress, progress.begun.elapsed());
        aborted?;
        if let Some(error) = self.outbox.denial() {
            return Err(Ending::Fail(error));
        }
        let wait = if learnt { Duration::ZERO } else { self.again.next() };
        if learnt || self.again.is_told() {
            let (tries, limit) = (self.again.tries(), self.limit.get());
            tracing::warn!(%error, tries, limit, "batch was aborted, it is processed again");
        }
        if !learnt && self.again.tries().is_multiple_of(ABORTS) {
            return Err(Error::retriable(format!("batch was aborted {ABORTS} times in a row")).cause(&error).into());
        }
        let own = self.partitions();
        let first = progress.first.iter().filter(|(at, _)| own.contains(at));
        self.input.seek_all(&first.map(|(at, offset)| (at.clone(), *offset)).collect())?;
        self.cx.control.sleep(wait).await;
        Ok(())
    }

    /// Takes from a batch that failed what the next try does otherwise; whether there is such a thing.
    fn learn(&mut self, progress: &Progress, took: Duration) -> bool {
        if let Some(refusal) = self.outbox.take_refusal() {
            match progress.culprit(&refusal) {
                Some(place) => {
                    let error = refusal.error.context("a broker does not take what comes of the record");
                    self.refused.insert(place.clone(), error);
                }
                None => self.limit.halve(progress.places.len()),
            }
            return true;
        }
        if took > self.config.transaction_timeout / 2 {
            self.limit.halve(progress.places.len());
        }
        false
    }
}

impl Progress {
    /// The record or timer whose outputs or state the broker refused; none when it can be one of several.
    pub(super) fn culprit(&self, refusal: &Refusal) -> Option<&Place> {
        if let [only] = &*self.places {
            return Some(only);
        }
        let first = refusal.tokens.first().copied().and_then(origin)?;
        let alone = refusal.tokens.iter().all(|token| origin(*token) == Some(first));
        if alone { self.places.get(first) } else { None }
    }
}

/// Names the changelog records of a partition's store; never an output's.
pub(super) fn token(partition: i32, slot: Slot) -> Token {
    (u64::from(partition.unsigned_abs()) << 16) | (slot.0 as u64 + 1)
}

/// The partition and the slot of a changelog record's token.
pub(super) fn changelog(token: Token) -> Option<(i32, usize)> {
    let slot = usize::try_from(token & 0xffff).ok()?.checked_sub(1)?;
    Some((i32::try_from(token >> 16).ok()?, slot))
}
