//! Processes one batch into state changes and outputs. A record or timer that fails leaves no change in either,
//! whatever the reason, also if its outputs or state are too long to be written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tributary_api::time::now_ms;
use tributary_api::{Error, Offsets, Result, Timer, Topic, TopicPartition};
use tributary_kafka::RawRecord;

use super::partitions::OwnedPartition;
use super::process_loop::ProcessLoop;
use super::size_limit::SizeLimit;
use super::stateful_chain::Step;
use super::transactional_output::CommitError;
use crate::tasks::Encoded;

/// The maximum number of timers fired in one transaction.
const MAX_TIMERS: usize = 1_000;

/// The record or timer that outputs come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum OutputOrigin {
    Record { topic: Topic, partition: i32, offset: i64 },
    Timer { partition: i32, key: Bytes },
}

/// How far a batch has been processed.
pub(super) struct BatchProgress {
    pub(super) begun: Instant,
    /// The offsets to read again after an abort.
    pub(super) first: Offsets,
    /// The offset after the last record processed.
    pub(super) next: Offsets,
    /// The offsets to continue at when the batch was committed without its last records.
    pub(super) postponed: Offsets,
    /// The records and timers processed, in order; the tokens of outputs hold their indexes.
    pub(super) origins: Vec<OutputOrigin>,
    pub(super) records: usize,
    pub(super) outputs: usize,
}

impl BatchProgress {
    pub(super) fn of(raw: &[RawRecord]) -> Self {
        let mut first = Offsets::new();
        for record in raw {
            first.entry(TopicPartition::new(record.topic.clone(), record.partition)).or_insert(record.offset);
        }
        Self {
            begun: Instant::now(),
            first,
            next: Offsets::new(),
            postponed: Offsets::new(),
            origins: Vec::with_capacity(raw.len()),
            records: 0,
            outputs: 0,
        }
    }

    fn postpone(&mut self, records: impl Iterator<Item = RawRecord>) {
        for record in records {
            let at = TopicPartition::new(record.topic, record.partition);
            self.postponed.entry(at).or_insert(record.offset);
        }
    }
}

impl ProcessLoop {
    /// Fires the timers that are due and processes the records. `false` when the task is asked to stop meanwhile.
    pub(super) async fn fill(
        &mut self,
        mut raw: Vec<RawRecord>,
        progress: &mut BatchProgress,
    ) -> Result<bool, CommitError> {
        let now = now_ms();
        let mut outputs = Vec::with_capacity(raw.len() * 2);
        if !self.partitions.is_paused() && (raw.is_empty() || self.retries.limit.is_at_max()) {
            self.fire(now, &mut outputs, progress).await?;
        }
        merge_by_time(&mut raw, self.config.topics.len());
        let mut records = raw.into_iter();
        while let Some(record) = records.next() {
            // Commits what is processed so far, before the transaction times out.
            if self.is_late(progress) {
                progress.postpone(std::iter::once(record).chain(records));
                break;
            }
            if !self.process(record, now, &mut outputs, progress).await? {
                return Ok(false);
            }
            self.write(&mut outputs, progress).await?;
        }
        Ok(true)
    }

    fn is_late(&self, progress: &BatchProgress) -> bool {
        !progress.origins.is_empty() && progress.begun.elapsed() > self.config.transaction_timeout / 3
    }

    async fn fire(
        &mut self,
        now: i64,
        outputs: &mut Vec<Encoded>,
        progress: &mut BatchProgress,
    ) -> Result<(), CommitError> {
        let partitions: Vec<i32> = self.partitions.owned.keys().copied().collect();
        let mut room = self.retries.limit.get().min(MAX_TIMERS);
        for partition in partitions {
            let due = match self.partitions.owned.get(&partition) {
                Some(owned) => owned.state.due(now, room)?,
                None => continue,
            };
            room -= due.len();
            for timer in due {
                if self.is_late(progress) {
                    return Ok(());
                }
                self.fire_one(partition, &timer, now, outputs, progress)?;
                self.write(outputs, progress).await?;
            }
        }
        Ok(())
    }

    fn fire_one(
        &mut self,
        partition: i32,
        timer: &Timer,
        now: i64,
        outputs: &mut Vec<Encoded>,
        progress: &mut BatchProgress,
    ) -> Result<()> {
        let origin = OutputOrigin::Timer { partition, key: timer.key.clone() };
        let refused = self.retries.refusal(&origin);
        progress.origins.push(origin);
        let Some(OwnedPartition { state, .. }) = self.partitions.owned.get_mut(&partition) else { return Ok(()) };
        let size_limit = SizeLimit { bytes: self.output.max_record_bytes(), changelogs: &self.changelogs.topics };
        let step = Step { now, partition: (partition, self.partitions.count), state, size_limit, refused };
        self.chain.fire(timer, step, outputs)
    }

    /// Processes one record; `false` when the task is asked to stop during a retry.
    async fn process(
        &mut self,
        raw: RawRecord,
        now: i64,
        outputs: &mut Vec<Encoded>,
        progress: &mut BatchProgress,
    ) -> Result<bool> {
        let origin =
            OutputOrigin::Record { topic: Arc::clone(&raw.topic), partition: raw.partition, offset: raw.offset };
        let refused = self.retries.refusal(&origin);
        progress.origins.push(origin);
        let count = self.partitions.count;
        let Some(OwnedPartition { state, .. }) = self.partitions.owned.get_mut(&raw.partition) else {
            return Err(Error::fatal(format!("got a record of partition {}, which is not owned", raw.partition)));
        };
        let size_limit = SizeLimit { bytes: self.output.max_record_bytes(), changelogs: &self.changelogs.topics };
        let step = Step { now, partition: (raw.partition, count), state, size_limit, refused };
        if !self.chain.process(&raw, step, outputs).await? {
            return Ok(false);
        }
        progress.records += 1;
        progress.next.insert(TopicPartition::new(raw.topic, raw.partition), raw.offset + 1);
        Ok(true)
    }

    /// Sends the outputs of the last record or timer.
    async fn write(&mut self, outputs: &mut Vec<Encoded>, progress: &mut BatchProgress) -> Result<(), CommitError> {
        progress.outputs += outputs.len();
        let origin = progress.origins.len().saturating_sub(1);
        for output in outputs.drain(..) {
            if !self.topics.is_known(&output.topic) {
                tokio::select! {
                    biased;
                    () = self.cx.control.stopping().cancelled() => {
                        return Err(CommitError::Retry(Error::retriable("the task is stopping")));
                    }
                    ensured = self.topics.ensure_output(&output.topic) => ensured?,
                }
                self.cx.reporter.topic_used(&output.topic);
            }
            self.output.send(&output, origin)?;
        }
        Ok(())
    }
}

/// Orders records of several topics by time, as far as the order within each partition allows. With one topic the order
/// between partitions does not matter.
pub(super) fn merge_by_time(records: &mut [RawRecord], topics: usize) {
    if topics < 2 {
        return;
    }
    let mut latest: HashMap<(tributary_api::Topic, i32), i64> = HashMap::new();
    let mut times = HashMap::with_capacity(records.len());
    for record in &*records {
        let partition = (record.topic.clone(), record.partition);
        let time = latest.entry(partition.clone()).or_insert(i64::MIN);
        *time = record.timestamp.unwrap_or(i64::MIN).max(*time);
        times.insert((partition, record.offset), *time);
    }
    let time = |record: &RawRecord| times.get(&((record.topic.clone(), record.partition), record.offset)).copied();
    records.sort_by_key(|record| time(record));
}
