use std::collections::HashMap;

use bytes::Bytes;

use crate::Slot;

/// A point to which an overlay can be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint(usize);

/// Uncommitted writes over a store, with what is needed to undo the latest of them.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    written: HashMap<(Slot, Bytes), Option<Bytes>>,
    /// What each write replaced in `written`, oldest first.
    undo: Vec<(Slot, Bytes, Option<Option<Bytes>>)>,
}

impl Overlay {
    /// The uncommitted value of a key (`Some(None)`: removed), if it was written.
    pub(crate) fn get(&self, slot: Slot, key: &Bytes) -> Option<&Option<Bytes>> {
        // The tuple is a key by value only: cloning `Bytes` is a reference count.
        self.written.get(&(slot, key.clone()))
    }

    pub(crate) fn put(&mut self, slot: Slot, key: Bytes, value: Option<Bytes>) {
        let before = self.written.insert((slot, key.clone()), value);
        self.undo.push((slot, key, before));
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Undoes all writes since the savepoint.
    pub(crate) fn rollback(&mut self, to: Savepoint) {
        while self.undo.len() > to.0 {
            let Some((slot, key, before)) = self.undo.pop() else { return };
            match before {
                Some(value) => drop(self.written.insert((slot, key), value)),
                None => drop(self.written.remove(&(slot, key))),
            }
        }
    }

    /// The keys written since a savepoint with their values now; one that was written twice comes twice.
    pub(crate) fn changes_since(&self, from: Savepoint) -> impl Iterator<Item = (Slot, &Bytes, Option<&Bytes>)> {
        self.undo.iter().skip(from.0).map(|(slot, key, _)| {
            let value = self.written.get(&(*slot, key.clone())).and_then(Option::as_ref);
            (*slot, key, value)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.written.clear();
        self.undo.clear();
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = (Slot, &Bytes, Option<&Bytes>)> {
        self.written.iter().map(|((slot, key), value)| (*slot, key, value.as_ref()))
    }
}
