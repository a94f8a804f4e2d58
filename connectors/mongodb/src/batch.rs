use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use tributary_api::{Error, Record, Result};

use crate::server::Server;
use crate::write::{Job, RateLimiter, Refusal};

/// How many collections are written concurrently.
const AT_ONCE: usize = 8;

/// The writes of a batch of records, in progress.
#[derive(Debug)]
pub(crate) struct Batch {
    first: Option<Position>,
    last: Option<Position>,
    records: usize,
    pub(crate) jobs: Vec<Job>,
    /// Records that could not be mapped to a write.
    unmapped: Vec<Refusal>,
}

/// Topic, partition and offset.
type Position = (Arc<str>, i32, i64);

impl Batch {
    pub(crate) fn new(records: &[Record], jobs: Vec<Job>, unmapped: Vec<Refusal>) -> Self {
        let place = |record: Option<&Record>| {
            record.and_then(Record::consumed_from).map(|(topic, partition, offset)| (topic.clone(), partition, offset))
        };
        Self { first: place(records.first()), last: place(records.last()), records: records.len(), jobs, unmapped }
    }

    /// Whether it was made of these records. The runtime puts a failed batch again unchanged, except for revoked
    /// partitions.
    pub(crate) fn is_of(&self, records: &[Record]) -> bool {
        let same = |place: &Option<Position>, record: Option<&Record>| {
            let place = place.as_ref().map(|(topic, partition, offset)| (topic, *partition, *offset));
            place.is_some() && place == record.and_then(Record::consumed_from)
        };
        self.records == records.len() && same(&self.first, records.first()) && same(&self.last, records.last())
    }

    /// Runs all jobs concurrently; a failure of one does not stop the others. A retriable failure does not hide a fatal
    /// one.
    ///
    /// # Errors
    /// `Retriable` to be called again. Anything else fails the task.
    pub(crate) async fn write(&mut self, server: &Server, rate_limiter: &RateLimiter) -> Result<()> {
        let runs: Vec<_> = self.jobs.iter_mut().map(|job| job.run(server, rate_limiter)).collect();
        let outcomes: Vec<Result<()>> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
        let mut failures: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
        failures.sort_by_key(Error::is_retriable);
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// The records that were not written, in the order of the batch.
    pub(crate) fn into_refusals(self) -> Vec<Refusal> {
        let refused = self.jobs.into_iter().flat_map(Job::into_refusals);
        let mut refusals: Vec<Refusal> = self.unmapped.into_iter().chain(refused).collect();
        refusals.sort_by_key(|refusal| refusal.record);
        refusals
    }
}
