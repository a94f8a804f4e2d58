use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tributary_api::Value;

/// The budget for all rules of one event: about 10 ms. A step is one evaluation of one node of an expression.
pub(crate) const MAX_STEPS: usize = 50_000;

/// This many bytes of text count as one step, for searches and comparisons.
const STEP_BYTES: usize = 256;

/// Counts the steps of one event's rules. It counts steps and not time, so that an event that is processed again gets
/// the same decision. Atomic, because the evaluator's context must be `Sync`.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    taken: AtomicUsize,
    /// The maximum number of nodes evaluated for each item of a list in the current expression.
    chain: AtomicUsize,
    spent: AtomicBool,
}

impl Budget {
    /// Starts another expression with this many nodes and this longest chain of comprehensions over one list.
    pub(super) fn begin(&self, steps: usize, chain: usize) {
        self.chain.store(chain, Ordering::Relaxed);
        self.take(steps);
    }

    /// Counts a value passed to the evaluator; false when the budget is exhausted.
    pub(super) fn value(&self, value: &Value) -> bool {
        self.take(match value {
            Value::String(text) => 1 + text.len() / STEP_BYTES,
            _ => 1,
        })
    }

    /// Counts an item of a list passed to the evaluator: each comprehension over the list evaluates its nodes for it.
    pub(super) fn item(&self, item: &Value) -> bool {
        let bytes = match item {
            Value::String(text) => text.len() / STEP_BYTES,
            _ => 0,
        };
        self.take((1 + bytes).saturating_mul(self.chain.load(Ordering::Relaxed)))
    }

    /// Whether the budget is exhausted.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    fn take(&self, steps: usize) -> bool {
        let before = self.taken.fetch_add(steps, Ordering::Relaxed);
        if before.saturating_add(steps) > MAX_STEPS {
            self.spent.store(true, Ordering::Relaxed);
        }
        !self.is_exhausted()
    }
}
