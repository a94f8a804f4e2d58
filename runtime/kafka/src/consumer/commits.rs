use std::time::{Duration, Instant};

use tributary_api::{Error, Offsets, Result, TopicPartition};
use tributary_librdkafka::{Failure, ListedOffset, PartitionList, Queue, code};

use super::{Consumer, list};

/// Offsets of the group, and of the log.
impl Consumer {
    /// Commits offsets (each that of the next record to read) and waits for the answer, up to
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// `Retriable` when it may be repeated; the same kind, with the class `RebalanceInProgressException`, when
    /// the partitions belong to another consumer now.
    pub fn commit(&self, offsets: &Offsets) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let answers = Queue::new(&self.client).ok_or_else(|| Error::fatal("out of memory"))?;
        self.request_commit(offsets, &answers)?;
        let deadline = Instant::now() + self.api_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = answers.poll(left);
            if let Some(commit) = event.as_ref().and_then(|event| event.commit()) {
                return commit.result.map_err(|failure| self.reason(failure, "commit offsets"));
            }
            if left.is_zero() {
                return Err(self.reason(Failure::of(code::TIMED_OUT), "commit offsets"));
            }
        }
    }

    /// Commits offsets asynchronously; [`Consumer::commit_results`] returns the outcome.
    ///
    /// # Errors
    /// `Fatal` after the client has failed.
    pub fn commit_async(&self, offsets: &Offsets) -> Result<()> {
        if offsets.is_empty() { Ok(()) } else { self.request_commit(offsets, &self.commits) }
    }

    /// The asynchronous commits that ended since the last call, in the order they ended.
    pub fn commit_results(&mut self) -> Vec<Result<Offsets>> {
        let mut results = Vec::new();
        while let Some(event) = self.commits.poll(Duration::ZERO) {
            let Some(commit) = event.commit() else { continue };
            let offsets = commit.offsets.as_ref().map(offsets).unwrap_or_default();
            results.push(match commit.result {
                Ok(()) => Ok(offsets),
                Err(failure) => Err(self.reason(failure, "commit offsets")),
            });
        }
        results
    }

    /// The group's offsets; partitions without one are left out. At `isolation.level=read_committed` it waits for a
    /// transaction that commits some.
    ///
    /// # Errors
    /// `Retriable` when the broker did not answer in time.
    pub fn committed(&self, partitions: &[TopicPartition], timeout: Duration) -> Result<Offsets> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let list = list(partitions.iter().map(|tp| (tp, 0)))?;
        self.client.committed(&list, timeout).map_err(|failure| self.reason(failure, "read the group's offsets"))?;
        Ok(offsets(&list))
    }

    /// The first offset of a partition, and the one after its last record.
    ///
    /// # Errors
    /// `Retriable` when the broker did not answer in time.
    pub fn watermarks(&self, partition: &TopicPartition, timeout: Duration) -> Result<(i64, i64)> {
        let watermarks = self.client.watermarks(&partition.topic, partition.partition, timeout);
        watermarks.map_err(|failure| self.reason(failure, &format!("read the offsets of {partition}")))
    }

    /// The offsets after the last records of partitions, in one request; with `committed_only` the last stable offsets.
    /// If a fetch is waiting for records, the answer may take `fetch.max.wait.ms`: [`crate::Admin::end_offsets`] is
    /// quicker.
    ///
    /// # Errors
    /// `Retriable` when the broker did not answer in time.
    pub fn end_offsets(
        &self,
        partitions: &[TopicPartition],
        committed_only: bool,
        timeout: Duration,
    ) -> Result<Offsets> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let wanted = partitions.iter().map(|tp| (&*tp.topic, tp.partition));
        let listed = self.client.end_offsets(wanted, committed_only, timeout).and_then(all_listed);
        listed.map_err(|failure| self.reason(failure, "read the end offsets"))
    }

    /// The offsets after the last records that this consumer can read: at `isolation.level=read_committed` those before the
    /// first open transaction.
    ///
    /// # Errors
    /// `Retriable` when the broker did not answer in time.
    pub fn readable_ends(&self, partitions: &[TopicPartition], timeout: Duration) -> Result<Offsets> {
        self.end_offsets(partitions, self.committed_only, timeout)
    }

    /// How many partitions a topic has; none when there is no such topic.
    ///
    /// # Errors
    /// `Retriable` when the broker did not answer in time.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Option<i32>> {
        let all = self.client.all_topics(timeout).map_err(|failure| self.reason(failure, "look for a topic"))?;
        Ok(all.into_iter().find(|(name, _)| name == topic).map(|(_, partitions)| partitions))
    }

    fn request_commit(&self, offsets: &Offsets, answers: &Queue) -> Result<()> {
        let list = list(offsets.iter().map(|(tp, offset)| (tp, *offset)))?;
        self.client.commit(&list, answers).map_err(|failure| self.reason(failure, "commit offsets"))
    }
}

/// All offsets, or the failure of the first partition that has one.
pub(crate) fn all_listed(listed: Vec<ListedOffset>) -> Result<Offsets, Failure> {
    let one = |listed: ListedOffset| match listed.offset {
        Ok(offset) => Ok((TopicPartition::new(listed.topic, listed.partition), offset)),
        Err(failure) => {
            let message = format!("{}-{}: {}", listed.topic, listed.partition, failure.message);
            Err(Failure { message, ..failure })
        }
    };
    listed.into_iter().map(one).collect()
}

/// The offsets in a list; entries without one are left out.
fn offsets(list: &PartitionList) -> Offsets {
    let known = list.iter().filter(|entry| entry.offset >= 0);
    known.map(|entry| (TopicPartition::new(entry.topic, entry.partition), entry.offset)).collect()
}
