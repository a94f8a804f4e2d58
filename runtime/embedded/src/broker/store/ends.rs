//! Caches the ends of partitions, so that an idle fetch needs no query and a waiting one wakes at once.

use std::collections::HashMap;

use parking_lot::Mutex;
use tansu_storage::{OffsetStage, Topition};
use tokio::sync::watch;

/// The cached ends. All appends go through this process, so an end is valid until the next append.
#[derive(Debug)]
pub(super) struct Ends {
    partitions: Mutex<HashMap<Topition, End>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct End {
    version: u64,
    stage: Option<OffsetStage>,
}

impl Default for Ends {
    fn default() -> Self {
        Self { partitions: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Ends {
    /// Counts the changes of all partitions.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The end of a partition, or the version with which it may be stored.
    pub(super) fn get(&self, partition: &Topition) -> Result<OffsetStage, u64> {
        match self.partitions.lock().get(partition) {
            Some(End { stage: Some(stage), .. }) => Ok(*stage),
            Some(End { version, .. }) => Err(*version),
            None => Err(0),
        }
    }

    /// Keeps an end that was read under `version`, unless the partition has changed meanwhile.
    pub(super) fn remember(&self, partition: &Topition, version: u64, stage: OffsetStage) {
        let mut partitions = self.partitions.lock();
        let end = partitions.entry(partition.clone()).or_default();
        if end.version == version {
            end.stage = Some(stage);
        }
    }

    /// A partition has new records. The version of an uncached one changes too, because a concurrent reader may have
    /// read the old end.
    pub(super) fn appended(&self, partition: &Topition) {
        self.partitions.lock().entry(partition.clone()).or_default().change();
        self.announce();
    }

    /// Any partition may have changed.
    pub(super) fn forget(&self) {
        self.partitions.lock().values_mut().for_each(End::change);
        self.announce();
    }

    fn announce(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl End {
    fn change(&mut self) {
        self.version += 1;
        self.stage = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_end_that_was_read_before_an_append_is_not_kept_after_it() {
        let (ends, partition) = (Ends::default(), Topition::new("clicks", 0));
        for _ in 0..2 {
            let version = ends.get(&partition).unwrap_err();
            ends.appended(&partition);
            ends.remember(&partition, version, OffsetStage::default());
            assert!(ends.get(&partition).is_err(), "the end is stale");
        }
        ends.remember(&partition, ends.get(&partition).unwrap_err(), OffsetStage::default());
        assert!(ends.get(&partition).is_ok());
    }
}
