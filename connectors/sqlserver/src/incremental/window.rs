use std::collections::HashMap;

use tributary_api::{Result, Value, json};

use super::key::KeyPart;
use crate::record::TableSchema;

/// A row of a chunk.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) values: Vec<Value>,
    pub(super) key: Vec<KeyPart>,
}

/// The rows of the current chunk, until they are sent.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// In key order; `None` for a row that has changed since.
    rows: Vec<Option<Row>>,
    places: HashMap<Vec<u8>, Vec<usize>>,
}

impl Window {
    pub(super) fn push(&mut self, identity: Vec<u8>, row: Row) {
        self.places.entry(identity).or_default().push(self.rows.len());
        self.rows.push(Some(row));
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
        std::mem::take(&mut self.rows).into_iter().flatten().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Identifies a row in chunks and in changes: by the key of its records, or else by the columns that chunks are read
/// by.
pub(super) fn identity(schema: &TableSchema, values: &[Value], columns: &[usize]) -> Result<Vec<u8>> {
    let key = schema.key(values)?;
    if !key.value.is_null() {
        return json::to_vec(&key.value);
    }
    let parts = columns.iter().map(|place| values.get(*place).cloned().unwrap_or_default()).collect();
    json::to_vec(&Value::Array(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_have_changed_are_not_sent_and_the_others_stay_in_order() {
        let mut window = Window::default();
        for (identity, number) in [(1, 1), (2, 2), (1, 3), (4, 4)] {
            window.push(vec![identity], Row { values: Vec::new(), key: vec![KeyPart::Int(number)] });
        }
        window.remove(&[1]);
        window.remove(&[1]);
        window.remove(&[9]);
        let left: Vec<KeyPart> = window.take().into_iter().flat_map(|row| row.key).collect();
        assert_eq!(left, [KeyPart::Int(2), KeyPart::Int(4)]);
        assert!(window.is_empty());
    }
}
