use std::collections::HashMap;

use tributary_api::{Result, Value, json};

use super::key::KeyPart;
use crate::record::TableSchema;

/// A row of a chunk.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) values: Vec<Value>,
    /// Reading continues after this key. `None` if one of the rows that follow may have the same key.
    pub(super) key: Option<Vec<KeyPart>>,
}

/// The rows of the current chunk, until they are sent.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// In key order; `None` for a row that has changed since.
    rows: Vec<Option<Row>>,
    places: HashMap<Vec<u8>, Vec<usize>>,
    /// Whether the keys are unique.
    unique: bool,
}

impl Window {
    /// Starts another chunk.
    pub(super) fn begin(&mut self, unique: bool) {
        self.clear();
        self.unique = unique;
    }

    /// Adds a row. Without an identity it is never removed.
    pub(super) fn push(&mut self, identity: Option<Vec<u8>>, values: Vec<Value>, key: Vec<KeyPart>) {
        if let Some(identity) = identity {
            self.places.entry(identity).or_default().push(self.rows.len());
        }
        self.rows.push(Some(Row { values, key: Some(key) }));
    }

    /// Removes a row that has changed.
    pub(super) fn remove(&mut self, identity: &[u8]) {
        for place in self.places.remove(identity).unwrap_or_default() {
            self.rows[place] = None;
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.places.clear();
    }

    /// Takes the remaining rows to send.
    pub(super) fn take(&mut self) -> Vec<Row> {
        self.places.clear();
        let mut rows: Vec<Row> = std::mem::take(&mut self.rows).into_iter().flatten().collect();
        if !self.unique {
            for next in 1..rows.len() {
                if may_equal(rows[next - 1].key.as_deref(), rows[next].key.as_deref()) {
                    rows[next - 1].key = None;
                }
            }
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn may_equal(one: Option<&[KeyPart]>, other: Option<&[KeyPart]>) -> bool {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    one.iter().zip(other).all(|(one, other)| one.may_equal(other))
}

/// Identifies a row in chunks and in changes by the key of its records. A row without such a key has no identity: the columns
/// that chunks are read by can have the same values in other rows, which have not changed.
pub(super) fn identity(schema: &TableSchema, values: &[Value]) -> Result<Option<Vec<u8>>> {
    let key = schema.key(values)?;
    if key.value.is_null() { Ok(None) } else { json::to_vec(&key.value).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(unique: bool, rows: &[(Option<u8>, KeyPart)]) -> Window {
        let mut window = Window::default();
        window.begin(unique);
        for (identity, key) in rows {
            window.push(identity.map(|identity| vec![identity]), Vec::new(), vec![key.clone()]);
        }
        window
    }

    fn keys(mut window: Window) -> Vec<Option<KeyPart>> {
        let rows = window.take();
        assert!(window.is_empty());
        rows.into_iter().map(|row| row.key.map(|mut key| key.remove(0))).collect()
    }

    #[test]
    fn rows_that_have_changed_are_not_sent_and_the_others_stay_in_order() {
        let rows = [(Some(1), 1), (Some(2), 2), (Some(1), 3), (Some(4), 4), (None, 5)];
        let mut window = window(true, &rows.map(|(identity, number)| (identity, KeyPart::Int(number))));
        window.remove(&[1]);
        window.remove(&[1]);
        window.remove(&[9]);
        assert_eq!(keys(window), [2, 4, 5].map(|number| Some(KeyPart::Int(number))));
    }

    /// After a restart the next ones are read behind the last key that was stored.
    #[test]
    fn a_key_that_several_rows_have_is_passed_with_the_last_of_them() {
        let numbers = [1, 5, 5, 5, 6].map(KeyPart::Int);
        let rows = numbers.clone().map(|key| (None, key));
        let five = Some(KeyPart::Int(5));
        let expected = [Some(KeyPart::Int(1)), None, None, five.clone(), Some(KeyPart::Int(6))];
        assert_eq!(keys(window(false, &rows)), expected);
        assert_eq!(keys(window(true, &rows)), numbers.map(Some));
        // The last of them has changed.
        let mut changed = window(false, &[(Some(1), KeyPart::Int(5)), (Some(2), KeyPart::Int(5))]);
        changed.remove(&[2]);
        assert_eq!(keys(changed), [five]);
        // The server may take them for equal.
        let texts = ["a", "A", "b"].map(|text| KeyPart::Text(text.to_owned()));
        let [_, _, last] = texts.clone();
        assert_eq!(keys(window(false, &texts.map(|key| (None, key)))), [None, None, Some(last)]);
    }
}
