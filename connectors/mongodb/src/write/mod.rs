//! Sends writes as commands: grouping, order, retries, and the handling of refused writes.

mod encode;
mod job;
mod outcome;
mod plan;
mod rate_limiter;
mod refusal;
mod statement;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use self::job::{Job, Step};
pub(crate) use self::rate_limiter::RateLimiter;
pub(crate) use self::refusal::Refusal;
use crate::config::TopicSettings;
use crate::model::{Namespace, WriteModel};

/// What to write for a record.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) model: WriteModel,
    /// The record's place in the batch.
    pub(crate) record: usize,
    pub(crate) settings: Arc<TopicSettings>,
}

/// Divides the writes of a batch into independent jobs: one for each collection, which keeps its order, or a single one
/// with `bulkWrite`, which takes all collections.
pub(crate) fn jobs(writes: Vec<Write>, bulk: bool) -> Vec<Job> {
    if bulk {
        return if writes.is_empty() { Vec::new() } else { vec![Job::new(writes, true)] };
    }
    let mut places: HashMap<Arc<Namespace>, usize> = HashMap::new();
    let mut groups: Vec<Vec<Write>> = Vec::new();
    let mut last: Option<(Arc<Namespace>, usize)> = None;
    for write in writes {
        let group = match &last {
            Some((namespace, group)) if Arc::ptr_eq(namespace, &write.namespace) => *group,
            _ => {
                let group = *places.entry(Arc::clone(&write.namespace)).or_insert(groups.len());
                if group == groups.len() {
                    groups.push(Vec::new());
                }
                last = Some((Arc::clone(&write.namespace), group));
                group
            }
        };
        groups[group].push(write);
    }
    groups.into_iter().map(|writes| Job::new(writes, false)).collect()
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}
