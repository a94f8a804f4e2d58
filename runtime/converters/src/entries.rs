//! Collects the entries of a map.

use std::collections::HashMap;

use tributary_api::Value;

/// Up to this many entries are compared one by one.
const FEW: usize = 16;

/// Entries with unique keys: of the same key the last value counts, at the first one's place.
#[derive(Default)]
pub(crate) struct Entries {
    entries: Vec<(Value, Value)>,
    /// Where the entries are, by the text of their keys; empty while they are few.
    indexes: HashMap<String, Vec<usize>>,
}

impl Entries {
    pub(crate) fn insert(&mut self, key: Value, value: Value) {
        match self.index_of(&key) {
            Some(place) => self.entries[place].1 = value,
            None => self.entries.push((key, value)),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<(Value, Value)> {
        self.entries
    }

    /// The place of a key that is there; one that is new is noted as the next.
    fn index_of(&mut self, key: &Value) -> Option<usize> {
        if self.entries.len() < FEW {
            return self.entries.iter().position(|(known, _)| known == key);
        }
        if self.indexes.is_empty() {
            for (place, (known, _)) in self.entries.iter().enumerate() {
                self.indexes.entry(known.to_string()).or_default().push(place);
            }
        }
        // Keys of different types can have the same text.
        let alike = self.indexes.entry(key.to_string()).or_default();
        let known = alike.iter().copied().find(|place| self.entries[*place].0 == *key);
        if known.is_none() {
            alike.push(self.entries.len());
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_unique_alike() {
        for count in [3_i64, 15, 16, 17, 40] {
            let mut entries = Entries::default();
            for round in 0..3 {
                for key in 0..count {
                    entries.insert(Value::Int64(key), Value::Int64(round));
                    entries.insert(Value::from(key.to_string()), Value::Int64(-round));
                }
            }
            let entries = entries.into_vec();
            assert_eq!(entries.len() as i64, 2 * count);
            for (index, (key, value)) in entries.iter().enumerate() {
                let number = index as i64 / 2;
                let text = index % 2 == 1;
                assert_eq!(*key, if text { Value::from(number.to_string()) } else { Value::Int64(number) });
                assert_eq!(*value, Value::Int64(if text { -2 } else { 2 }));
            }
        }
    }
}
