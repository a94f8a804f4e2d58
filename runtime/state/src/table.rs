use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use tributary_api::Datum;

/// The latest value of every key of a topic, in memory. Not versioned: the latest record by offset counts.
#[derive(Default)]
pub struct GlobalTable {
    rows: HashMap<Bytes, Datum>,
    changes: u64,
}

impl GlobalTable {
    /// Applies one record; a null value removes the key.
    pub fn set(&mut self, key: &[u8], value: Datum) {
        self.changes += 1;
        if value.value.is_null() {
            self.rows.remove(key);
            return;
        }
        match self.rows.get_mut(key) {
            Some(row) => *row = value,
            None => drop(self.rows.insert(Bytes::copy_from_slice(key), value)),
        }
    }

    /// The latest value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Datum> {
        self.rows.get(key)
    }

    /// How many records were applied.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Datum)> {
        self.rows.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Debug for GlobalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GlobalTable({} rows)", self.rows.len())
    }
}
