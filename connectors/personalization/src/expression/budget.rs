use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tributary_api::Value;

/// What the rules of one event may take together: some 10 ms. A step is a node of an expression, each time it is evaluated.
pub(crate) const MAX_STEPS: usize = 50_000;

/// So many bytes of text count as a step: they are searched and compared.
const STEP_BYTES: usize = 256;

/// Counts the steps of one event's rules. It counts what they can take and not the time, so that an event that is processed
/// again is decided the same way. Atomic, because what the evaluator is handed must be `Sync`.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    taken: AtomicUsize,
    /// Nodes evaluated for each item of a list, at most, in the expression at hand.
    chain: AtomicUsize,
    spent: AtomicBool,
}

impl Budget {
    /// Another expression begins: its nodes, and the longest chain of comprehensions over one list.
    pub(super) fn begin(&self, steps: usize, chain: usize) {
        self.chain.store(chain, Ordering::Relaxed);
        self.take(steps);
    }

    /// A value is handed out; false when it is one too many.
    pub(super) fn value(&self, value: &Value) -> bool {
        self.take(match value {
            Value::String(text) => 1 + text.len() / STEP_BYTES,
            _ => 1,
        })
    }

    /// An item of a list is handed out: each comprehension over the list evaluates its nodes for it.
    pub(super) fn item(&self, item: &Value) -> bool {
        let bytes = match item {
            Value::String(text) => text.len() / STEP_BYTES,
            _ => 0,
        };
        self.take((1 + bytes).saturating_mul(self.chain.load(Ordering::Relaxed)))
    }

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    fn take(&self, steps: usize) -> bool {
        let before = self.taken.fetch_add(steps, Ordering::Relaxed);
        if before.saturating_add(steps) > MAX_STEPS {
            self.spent.store(true, Ordering::Relaxed);
        }
        !self.is_spent()
    }
}
