use std::collections::HashMap;

use tributary_api::{Error, Offsets, Records, Result, Timer, TopicPartition};
use tributary_kafka::{ProducerRecord, RawRecord, Token};
use tributary_state::{Positions, Slot};

use super::assignment::Owned;
use super::host::StateHost;
use super::outbox::CommitError;
use super::process_loop::{ProcessLoop, SLICE};
use super::{Links, Tables};
use crate::tasks::{Encoded, Encoder, Failure, Recovery, Subject, now_ms};

/// Timers fired in one transaction at most.
const MAX_TIMERS: usize = 1_000;
/// A batch that is aborted so often in a row will not do better.
const MAX_ABORTS: u32 = 10;

/// What a batch has read.
#[derive(Default)]
struct Progress {
    /// Where to read again after an abort.
    first: Offsets,
    /// Behind the last record.
    next: Offsets,
    outputs: usize,
}

impl ProcessLoop {
    /// One batch, whole or not at all.
    pub(super) async fn transact(&mut self, raw: Vec<RawRecord>) -> Result<()> {
        let mut progress = Progress::default();
        for record in &raw {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            progress.first.entry(at).or_insert(record.offset);
        }
        let read = raw.len();
        let outcome = match self.outbox.begin() {
            Ok(()) => match self.fill(raw, &mut progress).await? {
                true => {
                    self.dead_letters_delivered().await?;
                    self.commit(&progress)
                }
                false => Err(CommitError::Again(Error::retriable("the task is stopping"))),
            },
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                self.aborts = 0;
                let metrics = &self.cx.metrics;
                metrics.sink.read.add(read);
                metrics.sink.sent.add(progress.outputs);
                metrics.batch_size.record(read as u64);
                Ok(())
            }
            Err(CommitError::Stop(error)) => Err(error),
            Err(CommitError::Again(error)) => self.roll_back(&progress, error).await,
        }
    }

    /// Fires what is due and processes what was read. `false` when the task is asked to stop half-way.
    async fn fill(&mut self, mut raw: Vec<RawRecord>, progress: &mut Progress) -> Result<bool> {
        let now = now_ms();
        let mut outputs = Vec::with_capacity(raw.len() * 2);
        if !self.paused {
            self.fire(now, &mut outputs)?;
            self.write(&mut outputs, progress).await?;
        }
        merge_by_time(&mut raw, self.config.topics.len());
        for record in raw {
            if !self.process(record, now, &mut outputs, progress).await? {
                return Ok(false);
            }
            self.write(&mut outputs, progress).await?;
        }
        Ok(true)
    }

    fn fire(&mut self, now: i64, outputs: &mut Vec<Encoded>) -> Result<()> {
        for owned in self.owned.values_mut() {
            for timer in owned.state.due(now, MAX_TIMERS)? {
                owned.state.cancel(&timer.key)?;
                let savepoint = owned.state.savepoint();
                let fired = fire_one(&mut self.encoder, &timer, now, &self.links, &self.tables, owned, outputs);
                if let Err(failure) = fired {
                    owned.state.rollback(savepoint);
                    self.operator.give_up(&failure, Subject::Unknown)?;
                }
            }
        }
        Ok(())
    }

    /// Passes one record through the chain; a failed one leaves no trace in state or outputs. `false` when the task is
    /// asked to stop while the record is repeated.
    async fn process(
        &mut self,
        raw: RawRecord,
        now: i64,
        outputs: &mut Vec<Encoded>,
        progress: &mut Progress,
    ) -> Result<bool> {
        let Self { owned, decoder, encoder, links, tables, operator, .. } = self;
        let Some(Owned { state, .. }) = owned.get_mut(&raw.partition) else {
            return Err(Error::fatal(format!("a record of partition {} came that is not owned", raw.partition)));
        };
        let mut attempt = |raw: RawRecord| {
            let savepoint = state.savepoint();
            let done = decoder.decode(raw).and_then(|mut record| {
                record.partition = None; // outputs are partitioned by their keys
                let mut host = StateHost { now, links, tables, state, link: 0 };
                encoder.run(record, &mut host, outputs)
            });
            if done.is_err() {
                state.rollback(savepoint);
            }
            done.map(drop)
        };
        if let Err(failure) = attempt(raw.clone()) {
            let again = || attempt(raw.clone());
            if operator.recover(failure, Subject::Consumed(&raw), again).await? == Recovery::Stopped {
                return Ok(false);
            }
        }
        progress.next.insert(TopicPartition::new(raw.topic, raw.partition), raw.offset + 1);
        Ok(true)
    }

    async fn write(&mut self, outputs: &mut Vec<Encoded>, progress: &mut Progress) -> Result<()> {
        progress.outputs += outputs.len();
        for output in outputs.drain(..) {
            if !self.topics.is_known(&output.topic) {
                self.topics.ensure_output(&output.topic).await?;
                self.cx.voice.topic_used(&output.topic);
            }
            self.outbox.send(&output)?;
        }
        Ok(())
    }

    /// The offsets behind a failed record are committed only when its letter has arrived.
    async fn dead_letters_delivered(&self) -> Result<()> {
        match self.operator.dead_letters() {
            Some(letters) => letters.delivered(self.config.transaction_timeout).await,
            None => Ok(()),
        }
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), CommitError> {
        if self.cx.control.is_abandoned() {
            return Err(CommitError::Again(Error::retriable("the task was given up")));
        }
        let started = std::time::Instant::now();
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
            let own = progress.next.iter().filter(|(at, _)| at.partition == *partition);
            positions.input.extend(own.map(|(at, next)| (at.clone(), *next)));
            owned.state.commit(&positions).map_err(CommitError::Stop)?;
        }
        Ok(())
    }

    fn is_changed(&self, partition: i32) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.state.is_changed())
    }

    /// Forgets the batch and reads it again.
    async fn roll_back(&mut self, progress: &Progress, error: Error) -> Result<()> {
        for owned in self.owned.values_mut() {
            owned.state.abort();
        }
        if self.cx.control.is_stopping() {
            return Ok(());
        }
        self.aborts += 1;
        tracing::warn!(%error, attempt = self.aborts, "batch was aborted, it is processed again");
        if self.aborts >= MAX_ABORTS {
            return Err(Error::fatal(format!("batch was aborted {MAX_ABORTS} times in a row")).cause(&error));
        }
        match self.outbox.abort() {
            Ok(()) => {}
            Err(CommitError::Again(error) | CommitError::Stop(error)) => return Err(error),
        }
        let own = self.partitions();
        for (partition, offset) in progress.first.iter().filter(|(partition, _)| own.contains(partition)) {
            self.input.seek(partition, *offset)?;
        }
        if self.aborts > 1 {
            self.cx.control.sleep(SLICE * self.aborts).await;
        }
        Ok(())
    }
}

fn fire_one(
    encoder: &mut Encoder,
    timer: &Timer,
    now: i64,
    links: &Links,
    tables: &Tables,
    owned: &mut Owned,
    outputs: &mut Vec<Encoded>,
) -> Result<(), Failure> {
    let Some((link, timer)) = links.owner(timer) else {
        tracing::warn!("a timer is of no transform any more, it is dropped");
        return Ok(());
    };
    let mut host = StateHost { now, links, tables, state: &mut owned.state, link };
    let before = outputs.len();
    let records = match encoder.chain.on_timer(link, timer, &mut host)? {
        Records::None => Vec::new(),
        Records::One(record) => vec![record],
        Records::Many(records) => records,
    };
    for record in records {
        let encoded = encoder.encode(record).inspect_err(|_| outputs.truncate(before))?;
        outputs.push(encoded);
    }
    Ok(())
}

/// Names the changelog records of a partition's store; never 0.
pub(super) fn token(partition: i32, slot: Slot) -> Token {
    (u64::from(partition.unsigned_abs()) << 16) | (slot.0 as u64 + 1)
}

/// Of several topics the earliest record comes first, as far as each partition's order allows. Of one topic the order
/// among partitions does not matter.
pub(super) fn merge_by_time(records: &mut [RawRecord], topics: usize) {
    if topics < 2 {
        return;
    }
    let mut latest: HashMap<(tributary_api::Topic, i32), i64> = HashMap::new();
    let mut times = HashMap::with_capacity(records.len());
    for record in &*records {
        let place = (record.topic.clone(), record.partition);
        let time = latest.entry(place.clone()).or_insert(i64::MIN);
        *time = record.timestamp.unwrap_or(i64::MIN).max(*time);
        times.insert((place, record.offset), *time);
    }
    let time = |record: &RawRecord| times.get(&((record.topic.clone(), record.partition), record.offset)).copied();
    records.sort_by_key(|record| time(record));
}
