use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tributary_api::{Offsets, Result};

/// The format of stores on disk and of timers in a changelog. A store of another format is emptied and restored from
/// the changelog.
pub const STORE_FORMAT: u16 = 1;

/// One keyed store of a partition, by its place in the [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// The keyed stores of a partition: those that transforms require, then one for the timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<String>);

impl Layout {
    /// The name of the store that holds the timers.
    pub const TIMERS: &'static str = "timers";

    /// Stores of these names.
    pub fn new(stores: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = stores.into_iter().collect();
        names.push(Self::TIMERS.to_owned());
        Self(names)
    }

    /// All names, in the order of the slots.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// All slots with their names.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &str)> {
        self.0.iter().enumerate().map(|(index, name)| (Slot(index), name.as_str()))
    }

    /// The slot of the timers: the last one.
    pub fn timers(&self) -> Slot {
        Slot(self.0.len() - 1)
    }
}

/// The positions of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// By store name, the next offset of its changelog to be read.
    pub changelog: BTreeMap<String, i64>,
    /// By store name, the id of its changelog's topic, if it has one.
    #[serde(default)]
    pub topics: BTreeMap<String, String>,
    /// The next offsets of the input partitions.
    #[serde(with = "input_offsets")]
    pub input: Offsets,
}

/// Writes that become visible together or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Slot, key and new value (`None` removes), each key of a slot at most once.
    pub changes: &'a [(Slot, Bytes, Option<Bytes>)],
    /// The positions of the store after these changes.
    pub positions: &'a Positions,
}

/// Called with each key and value of a slot.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// Committed state of one partition. One owner.
pub trait Store: Send {
    /// The value of a key.
    ///
    /// # Errors
    /// When the disk fails.
    fn get(&self, slot: Slot, key: &[u8]) -> Result<Option<Bytes>>;

    /// Applies a batch: all of it, or nothing when it fails or the process dies.
    ///
    /// # Errors
    /// When the disk fails.
    fn apply(&mut self, batch: Batch<'_>) -> Result<()>;

    /// Visits all keys of a slot, in no particular order.
    ///
    /// # Errors
    /// When the disk fails, and those of the visitor.
    fn scan(&self, slot: Slot, visit: &mut Visit<'_>) -> Result<()>;

    /// The positions of the last batch; none when new.
    fn positions(&self) -> &Positions;

    /// Removes everything, positions included.
    ///
    /// # Errors
    /// When the disk fails.
    fn clear(&mut self) -> Result<()>;

    /// Makes what was applied durable on this machine. Not needed for correctness: it shortens the next restore.
    ///
    /// # Errors
    /// When the disk fails.
    fn flush(&mut self) -> Result<()>;
}

/// JSON has text keys only: offsets are written as triples.
mod input_offsets {
    use serde::{Deserialize, Deserializer, Serializer};
    use tributary_api::{Offsets, TopicPartition};

    pub(super) fn serialize<S: Serializer>(offsets: &Offsets, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(offsets.iter().map(|(at, next)| (&*at.topic, at.partition, *next)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offsets, D::Error> {
        let triples: Vec<(String, i32, i64)> = Deserialize::deserialize(deserializer)?;
        Ok(triples.into_iter().map(|(topic, partition, next)| (TopicPartition::new(topic, partition), next)).collect())
    }
}
