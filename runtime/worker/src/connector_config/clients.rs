use std::time::Duration;

use tributary_api::{ConfigIssue, Props};

use super::overrides;
use crate::settings::WorkerSettings;

/// The default of `max.poll.records`. Larger than Java's 500, because batches are not copied.
const MAX_POLL_RECORDS: i64 = 5_000;
/// Java's defaults.
const METADATA_MAX_AGE_MS: i64 = 300_000;
const BUFFER_MEMORY: i64 = 32 << 20;

/// Client settings that tasks apply themselves: the connector's override, otherwise the worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientLimits {
    /// `max.poll.records` of the consumer.
    pub(crate) max_poll_records: usize,
    /// `metadata.max.age.ms` of the consumer: how often the topics that match a pattern are listed.
    pub(crate) metadata_max_age: Duration,
    /// `buffer.memory` of the producer, in bytes.
    pub(crate) buffer_memory: usize,
}

impl ClientLimits {
    pub(super) fn parse(props: &Props, worker: &WorkerSettings, issues: &mut Vec<ConfigIssue>) -> Self {
        let mut number = |client: &str, setting: &str, default: i64| -> i64 {
            let (own, inherited) = (format!("{client}.override.{setting}"), format!("{client}.{setting}"));
            let given = [(own, props), (inherited, &worker.defaults)];
            let given = given.iter().find_map(|(name, props)| Some((name, props.get(name)?)));
            let Some((name, text)) = given else { return default };
            issues.extend(overrides::fault(name, setting, text));
            text.trim().parse().unwrap_or(default)
        };
        let max_poll_records = number("consumer", "max.poll.records", MAX_POLL_RECORDS);
        let metadata_max_age = number("consumer", "metadata.max.age.ms", METADATA_MAX_AGE_MS);
        let buffer_memory = number("producer", "buffer.memory", BUFFER_MEMORY);
        Self {
            max_poll_records: usize::try_from(max_poll_records).unwrap_or(1),
            metadata_max_age: Duration::from_millis(u64::try_from(metadata_max_age).unwrap_or_default()),
            buffer_memory: usize::try_from(buffer_memory).unwrap_or_default(),
        }
    }
}
