use std::fmt;

use bytes::Bytes;
use tributary_api::{Result, Timer};

use crate::overlay::Overlay;
use crate::timers::{self, TimerIndex};
use crate::{Batch, Layout, Positions, Savepoint, Slot, Store};

/// The state of one input partition: committed in a store, uncommitted in an overlay, timers indexed by time.
pub struct PartitionState {
    timers: Slot,
    store: Box<dyn Store>,
    overlay: Overlay,
    index: TimerIndex,
}

impl PartitionState {
    /// State over a store; timers found in it are armed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(layout: &Layout, store: Box<dyn Store>) -> Result<Self> {
        let mut index = TimerIndex::default();
        store.scan(layout.timers(), &mut |key, value| {
            index.set(key, Some(value));
            Ok(())
        })?;
        Ok(Self { timers: layout.timers(), store, overlay: Overlay::default(), index })
    }

    /// Applies what was read from the changelogs, in the order read: (slot, key, value).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn restore(&mut self, records: Vec<(Slot, Bytes, Option<Bytes>)>, positions: &Positions) -> Result<()> {
        debug_assert!(self.overlay.is_empty(), "restore comes before the first record");
        // A key may come several times: only its last value goes to the store.
        for (slot, key, value) in records {
            self.overlay.put(slot, key, value);
        }
        self.commit(positions)
    }

    /// Empties store and overlay, to be restored from the start of the changelogs.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn clear(&mut self) -> Result<()> {
        self.overlay.clear();
        self.index.clear();
        self.store.clear()
    }

    /// The positions of the store.
    pub fn positions(&self) -> &Positions {
        self.store.positions()
    }

    /// The value of a key, uncommitted writes included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, slot: Slot, key: &[u8]) -> Result<Option<Bytes>> {
        if !self.overlay.is_empty()
            && let Some(written) = self.overlay.get(slot, &Bytes::copy_from_slice(key))
        {
            return Ok(written.clone());
        }
        self.store.get(slot, key)
    }

    /// Sets a key, or removes it with `None`; visible here at once, committed with [`commit`](Self::commit).
    pub fn put(&mut self, slot: Slot, key: Bytes, value: Option<Bytes>) {
        self.overlay.put(slot, key, value);
    }

    /// Sets a timer, replacing one of the same key. It can be due from the next commit on.
    pub fn schedule(&mut self, timer: &Timer) {
        self.overlay.put(self.timers, timer.key.clone(), Some(timers::encode(timer)));
    }

    /// Removes a timer. Does nothing if it does not exist.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn cancel(&mut self, key: &[u8]) -> Result<()> {
        if self.get(self.timers, key)?.is_some() {
            self.overlay.put(self.timers, Bytes::copy_from_slice(key), None);
        }
        Ok(())
    }

    /// When the next committed timer is due, in milliseconds since the epoch.
    pub fn next_timer(&self) -> Option<i64> {
        self.index.next()
    }

    /// Up to `max` committed timers that are due and not changed since, earliest first. Firing one means to
    /// [`cancel`](Self::cancel) it in the same transaction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn due(&self, now: i64, max: usize) -> Result<Vec<Timer>> {
        let mut due = Vec::new();
        for key in self.index.due(now) {
            if due.len() == max {
                break;
            }
            if self.overlay.get(self.timers, key).is_some() {
                continue;
            }
            if let Some(value) = self.store.get(self.timers, key)? {
                let (at, payload) = timers::decode(&value)?;
                due.push(Timer::new(key.clone(), at, value.slice_ref(payload)));
            }
        }
        Ok(due)
    }

    /// A savepoint to roll back to when a record fails.
    pub fn savepoint(&self) -> Savepoint {
        self.overlay.savepoint()
    }

    /// Undoes all writes since the savepoint.
    pub fn rollback(&mut self, to: Savepoint) {
        self.overlay.rollback(to);
    }

    /// The keys written since the last commit, each once, with their last values: what the changelogs must hold.
    pub fn changes(&self) -> impl Iterator<Item = (Slot, &Bytes, Option<&Bytes>)> {
        self.overlay.changes()
    }

    /// The keys written since a savepoint, with their last values; one that was written twice comes twice.
    pub fn changes_since(&self, from: Savepoint) -> impl Iterator<Item = (Slot, &Bytes, Option<&Bytes>)> {
        self.overlay.changes_since(from)
    }

    /// Whether anything was written since the last commit.
    pub fn is_changed(&self) -> bool {
        !self.overlay.is_empty()
    }

    /// Applies the overlay and the positions in one atomic batch: called when the changelogs hold the changes for
    /// good.
    ///
    /// # Errors
    /// When the store cannot be written; the overlay is kept.
    pub fn commit(&mut self, positions: &Positions) -> Result<()> {
        let changes: Vec<(Slot, Bytes, Option<Bytes>)> =
            self.overlay.changes().map(|(slot, key, value)| (slot, key.clone(), value.cloned())).collect();
        self.store.apply(Batch { changes: &changes, positions })?;
        for (_, key, value) in changes.iter().filter(|(slot, ..)| *slot == self.timers) {
            self.index.set(key, value.as_deref());
        }
        self.overlay.clear();
        Ok(())
    }

    /// Drops all uncommitted writes.
    pub fn abort(&mut self) {
        self.overlay.clear();
    }

    /// Makes what is committed durable on this machine, which shortens the next restore.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&mut self) -> Result<()> {
        self.store.flush()
    }
}

impl fmt::Debug for PartitionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionState")
            .field("positions", self.store.positions())
            .field("changed", &self.is_changed())
            .finish_non_exhaustive()
    }
}
