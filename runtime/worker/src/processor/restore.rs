use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Result, TopicPartition};
use tributary_kafka::{ClientConfig, Consumer, Polled, Position, RawRecord};
use tributary_state::{Layout, PartitionState, Positions, Slot};

use super::ANSWER_TIMEOUT;
use crate::tasks::Control;

const BATCH: usize = 10_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The changelog topics of a processor, in the order of the layout's slots.
#[derive(Clone, Debug)]
pub(super) struct Changelogs {
    pub(super) topics: Vec<String>,
    /// The topics' ids, by the store's name.
    pub(super) ids: BTreeMap<String, String>,
}

impl Changelogs {
    pub(super) fn new(group: &str, connector: &str, layout: &Layout) -> Self {
        let name = |store: &String| format!("{group}-{connector}-{store}-changelog");
        Self { topics: layout.names().iter().map(name).collect(), ids: BTreeMap::new() }
    }

    /// Sets the topics' ids, given by topic name.
    pub(super) fn set_ids(&mut self, ids: &BTreeMap<String, String>, layout: &Layout) {
        let id = |(slot, store): (Slot, &str)| Some((store.to_owned(), ids.get(self.topics.get(slot.0)?)?.clone()));
        self.ids = layout.slots().filter_map(id).collect();
    }

    fn slot(&self, topic: &str) -> Option<Slot> {
        self.topics.iter().position(|known| known == topic).map(Slot)
    }
}

/// Restores the state of partitions to the ends of their changelogs. `false` when the task is asked to stop meanwhile.
///
/// The target is the end of the log including open transactions, because the previous owner's last commit may not have
/// reached the last stable offset yet. Only committed records are read, so this waits until those transactions are
/// resolved.
///
/// # Errors
/// When a changelog cannot be read or a store cannot be written.
pub(super) fn restore(
    states: &mut BTreeMap<i32, PartitionState>,
    changelogs: &Changelogs,
    layout: &Layout,
    client: &ClientConfig,
    control: &Control,
) -> Result<bool> {
    let all: Vec<TopicPartition> = states
        .keys()
        .flat_map(|partition| changelogs.topics.iter().map(|topic| TopicPartition::new(topic.as_str(), *partition)))
        .collect();
    let client = client.clone().set_native("enable.partition.eof", true);
    let asking = Consumer::assign(&client, &[])?;
    let ends =
        asking.end_offsets(&all, false, ANSWER_TIMEOUT).map_err(|error| error.context("cannot restore state"))?;
    for (partition, state) in states.iter_mut() {
        if is_ahead_of_changelog(state, *partition, changelogs, layout, &ends, &asking)? {
            tracing::warn!(partition, "state does not fit its changelog, it is restored from the start");
            state.clear()?;
        }
    }
    asking.close();
    let mut job = RestoreJob { states, changelogs, layout, reached: HashMap::new(), restored: 0 };
    let from = job.begin(&ends);
    if from.is_empty() {
        return Ok(true);
    }
    let started = Instant::now();
    let mut consumer = Consumer::assign(&client, &from)?;
    while !job.is_done(&ends) {
        if control.is_stopping() {
            return Ok(false);
        }
        match consumer.poll(BATCH, POLL_TIMEOUT) {
            Ok(Polled::Records(records)) => job.take(records)?,
            Ok(_) => {}
            Err(error) if error.is_retriable() => tracing::warn!(%error, "could not read a changelog, trying again"),
            Err(error) => return Err(error.context("cannot restore state")),
        }
        job.raise(consumer.take_ends());
    }
    consumer.close();
    let (records, elapsed_ms) = (job.restored, started.elapsed().as_millis());
    tracing::info!(partitions = ?job.states.keys().collect::<Vec<_>>(), records, elapsed_ms, "state is restored");
    Ok(true)
}

/// Whether a state's position is not in its changelog: the topic was created again, as its id or its end shows, or the
/// next records were deleted.
fn is_ahead_of_changelog(
    state: &PartitionState,
    partition: i32,
    changelogs: &Changelogs,
    layout: &Layout,
    ends: &Offsets,
    asking: &Consumer,
) -> Result<bool> {
    for (slot, name) in layout.slots() {
        let Some(position) = state.positions().changelog.get(name) else { continue };
        let (known, now) = (state.positions().topics.get(name), changelogs.ids.get(name));
        if known.is_some() && now.is_some() && known != now {
            return Ok(true);
        }
        let at = TopicPartition::new(changelogs.topics[slot.0].as_str(), partition);
        let end = ends.get(&at).copied().unwrap_or(0);
        if *position > end || (*position < end && *position < asking.watermarks(&at, ANSWER_TIMEOUT)?.0) {
            return Ok(true);
        }
    }
    Ok(false)
}

struct RestoreJob<'a> {
    states: &'a mut BTreeMap<i32, PartitionState>,
    changelogs: &'a Changelogs,
    layout: &'a Layout,
    /// The next offset of each changelog partition.
    reached: HashMap<TopicPartition, i64>,
    restored: usize,
}

impl RestoreJob<'_> {
    /// Where to read from, for the partitions whose state is older than their changelog.
    fn begin(&mut self, ends: &Offsets) -> Vec<(TopicPartition, Position)> {
        let mut from = Vec::new();
        for (partition, state) in self.states.iter() {
            for (slot, name) in self.layout.slots() {
                let at = TopicPartition::new(self.changelogs.topics[slot.0].as_str(), *partition);
                let position = state.positions().changelog.get(name).copied();
                if position.unwrap_or(0) < ends.get(&at).copied().unwrap_or(0) {
                    from.push((at.clone(), position.map_or(Position::Earliest, Position::At)));
                }
                self.reached.insert(at, position.unwrap_or(0));
            }
        }
        from
    }

    fn is_done(&self, ends: &Offsets) -> bool {
        ends.iter().all(|(at, end)| self.reached.get(at).is_some_and(|reached| reached >= end))
    }

    fn take(&mut self, records: Vec<RawRecord>) -> Result<()> {
        self.restored += records.len();
        let mut batches: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        for raw in records {
            let Some(slot) = self.changelogs.slot(&raw.topic) else { continue };
            self.reached.insert(TopicPartition::new(raw.topic, raw.partition), raw.offset + 1);
            if let Some(key) = raw.key {
                batches.entry(raw.partition).or_default().push((slot, key, raw.value));
            }
        }
        for (partition, batch) in batches {
            let positions = self.positions(partition);
            let state = self
                .states
                .get_mut(&partition)
                .ok_or_else(|| Error::fatal("got a record of a partition that is not being restored"))?;
            state.restore(batch, &positions)?;
        }
        Ok(())
    }

    fn raise(&mut self, ends: Vec<(TopicPartition, i64)>) {
        for (at, end) in ends {
            let reached = self.reached.entry(at).or_default();
            *reached = end.max(*reached);
        }
    }

    fn positions(&self, partition: i32) -> Positions {
        let reached = |(slot, name): (Slot, &str)| {
            let at = TopicPartition::new(self.changelogs.topics[slot.0].as_str(), partition);
            self.reached.get(&at).filter(|next| **next > 0).map(|next| (name.to_owned(), *next))
        };
        Positions {
            changelog: self.layout.slots().filter_map(reached).collect(),
            topics: self.changelogs.ids.clone(),
            input: Offsets::new(),
        }
    }
}
