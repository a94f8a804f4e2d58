//! Statements that a client has prepared, by their handles.

use std::collections::HashMap;

/// A prepared statement: what it says and how its parameters are declared.
#[derive(Debug, Clone)]
pub(super) struct PreparedText {
    pub(super) parameters: String,
    pub(super) text: String,
}

#[derive(Debug, Default)]
pub(crate) struct Prepared {
    last: i32,
    texts: HashMap<i32, PreparedText>,
}

impl Prepared {
    pub(super) fn add(&mut self, text: PreparedText) -> i32 {
        self.last += 1;
        self.texts.insert(self.last, text);
        self.last
    }

    pub(super) fn get(&self, handle: i32) -> Option<&PreparedText> {
        self.texts.get(&handle)
    }

    pub(super) fn remove(&mut self, handle: i32) -> bool {
        self.texts.remove(&handle).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
    }
}
