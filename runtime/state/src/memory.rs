use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use tributary_api::{Error, Result};

use crate::store::Visit;
use crate::{Batch, Layout, Positions, Slot, Store};

/// A store in memory: the fastest, filled from the changelog at every start.
pub struct MemoryStore {
    slots: Vec<HashMap<Bytes, Bytes>>,
    positions: Positions,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(layout: &Layout) -> Self {
        let slots = layout.names().iter().map(|_| HashMap::new()).collect();
        Self { slots, positions: Positions::default() }
    }
}

impl Store for MemoryStore {
    fn get(&self, slot: Slot, key: &[u8]) -> Result<Option<Bytes>> {
        let values = self.slots.get(slot.0).ok_or_else(|| no_such_slot(slot))?;
        Ok(values.get(key).cloned())
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<()> {
        if let Some((slot, ..)) = batch.changes.iter().find(|(slot, ..)| slot.0 >= self.slots.len()) {
            return Err(no_such_slot(*slot));
        }
        for (slot, key, value) in batch.changes {
            let values = &mut self.slots[slot.0];
            match value {
                // Copied, because both may be small slices of a large fetched batch.
                Some(value) => match values.get_mut(key) {
                    Some(old) => *old = Bytes::copy_from_slice(value),
                    None => drop(values.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))),
                },
                None => drop(values.remove(key)),
            }
        }
        self.positions.clone_from(batch.positions);
        Ok(())
    }

    fn scan(&self, slot: Slot, visit: &mut Visit<'_>) -> Result<()> {
        let values = self.slots.get(slot.0).ok_or_else(|| no_such_slot(slot))?;
        values.iter().try_for_each(|(key, value)| visit(key, value))
    }

    fn positions(&self) -> &Positions {
        &self.positions
    }

    fn clear(&mut self) -> Result<()> {
        self.slots.iter_mut().for_each(HashMap::clear);
        self.positions = Positions::default();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<usize> = self.slots.iter().map(HashMap::len).collect();
        write!(f, "MemoryStore(keys: {keys:?})")
    }
}

#[cold]
pub(crate) fn no_such_slot(slot: Slot) -> Error {
    Error::fatal(format!("there is no store {}: a transform may use only the stores it declared", slot.0))
}
