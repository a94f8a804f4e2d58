use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_api::{Offsets, Result, TopicPartition};
use tributary_kafka::{ClientConfig, Consumer, Position};
use tributary_state::PartitionState;

use super::ANSWER_TIMEOUT;
use crate::tasks::TaskMetrics;

/// How often state files are synced to disk. This only shortens the next restore.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// The assigned partitions of the input topics: their consumer, their state and the group's offsets.
pub(super) struct OwnedPartitions {
    pub(super) consumer: Consumer,
    /// The consumer's settings and topics, to join the group again.
    group: ClientConfig,
    topics: Vec<String>,
    /// By the number of the partition, which the topics' partitions share.
    pub(super) owned: BTreeMap<i32, OwnedPartition>,
    /// The group's offsets; for a partition without one, the offset it is read from.
    pub(super) committed: Offsets,
    /// How many partitions the input topics have.
    pub(super) count: i32,
    paused: bool,
    next_flush: Instant,
    metrics: Arc<TaskMetrics>,
}

/// A partition number of the input topics, and its state.
pub(super) struct OwnedPartition {
    pub(super) state: PartitionState,
    topics: BTreeSet<TopicPartition>,
}

impl OwnedPartitions {
    /// Joins the group.
    ///
    /// # Errors
    /// When the consumer cannot be made.
    pub(super) fn join(group: ClientConfig, topics: Vec<String>, metrics: Arc<TaskMetrics>) -> Result<Self> {
        Ok(Self {
            consumer: Consumer::subscribe(&group, &topics)?,
            group,
            topics,
            owned: BTreeMap::new(),
            committed: Offsets::new(),
            count: 0,
            paused: false,
            next_flush: Instant::now(),
            metrics,
        })
    }

    /// Leaves the group; uncommitted changes are discarded. Returns the id of the member that has left.
    pub(super) fn leave(&mut self) -> String {
        self.discard_changes();
        self.flush_all();
        self.owned.clear();
        self.committed.clear();
        self.publish_assignment();
        let member = self.consumer.group_metadata().map(|group| group.member().to_owned()).unwrap_or_default();
        self.consumer.leave();
        member
    }

    /// Joins the group again, with a new consumer.
    pub(super) fn rejoin(&mut self) -> Result<()> {
        self.consumer = Consumer::subscribe(&self.group, &self.topics)?;
        Ok(())
    }

    /// A setting of the consumer, `group.id` for one.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.group.get(name).unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<TopicPartition> {
        self.owned.values().flat_map(|owned| owned.topics.iter().cloned()).collect()
    }

    /// Where partitions are read from: the group's offset or, if there is none, by `auto.offset.reset`. It is resolved
    /// here so that there is an offset to commit when timers fire before the first record.
    pub(super) fn starts(&self, partitions: &[TopicPartition]) -> Result<Offsets> {
        let mut starts = self.consumer.committed(partitions, ANSWER_TIMEOUT)?;
        let reset = self.group.get("auto.offset.reset").unwrap_or("earliest").to_ascii_lowercase();
        for at in partitions {
            if starts.contains_key(at) {
                continue;
            }
            let (first, end) = self.consumer.watermarks(at, ANSWER_TIMEOUT)?;
            match reset.as_str() {
                "latest" | "largest" | "end" => drop(starts.insert(at.clone(), end)),
                "earliest" | "smallest" | "beginning" => drop(starts.insert(at.clone(), first)),
                _ => {} // none: the next poll returns the error
            }
        }
        Ok(starts)
    }

    /// Adds partitions whose state is restored, beside those whose state is here already.
    pub(super) fn add(&mut self, partitions: &[TopicPartition], restored: BTreeMap<i32, PartitionState>) {
        for (partition, state) in restored {
            self.owned.insert(partition, OwnedPartition { state, topics: BTreeSet::new() });
        }
        for at in partitions {
            if let Some(owned) = self.owned.get_mut(&at.partition) {
                owned.topics.insert(at.clone());
            }
        }
    }

    /// Starts to read partitions that were added.
    pub(super) fn read(&mut self, partitions: &[TopicPartition], starts: Offsets) -> Result<()> {
        let position = |at: &TopicPartition| starts.get(at).map_or(Position::Committed, |next| Position::At(*next));
        let positions: Vec<_> = partitions.iter().map(|at| (at.clone(), position(at))).collect();
        self.consumer.accept_at(&positions)?;
        if self.paused {
            self.consumer.pause(partitions)?;
        }
        self.committed.extend(starts);
        self.publish_assignment();
        Ok(())
    }

    /// Partitions are revoked. No transaction is open between two batches, so there is nothing to complete.
    pub(super) fn release(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        for at in partitions {
            self.committed.remove(at);
            let Some(owned) = self.owned.get_mut(&at.partition) else { continue };
            owned.topics.remove(at);
            if owned.topics.is_empty() {
                if !lost {
                    flush(at.partition, owned);
                }
                self.owned.remove(&at.partition);
            }
        }
        self.publish_assignment();
        self.consumer.release(partitions)
    }

    /// Pauses or resumes at the operator's request; returns whether that changes anything. The consumer stays in its
    /// group; timers do not fire while paused.
    pub(super) fn set_paused(&mut self, paused: bool) -> Result<bool> {
        if paused == self.paused {
            return Ok(false);
        }
        self.paused = paused;
        let all = self.all();
        if paused {
            self.consumer.pause(&all)?;
        } else {
            self.consumer.resume(&all)?;
        }
        Ok(true)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// When the first timer is due; none while paused.
    pub(super) fn next_timer(&self) -> Option<i64> {
        if self.paused {
            return None;
        }
        self.owned.values().filter_map(|owned| owned.state.next_timer()).min()
    }

    /// Whether the state of a partition has changes that are not committed.
    pub(super) fn is_changed(&self, partition: i32) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.state.is_changed())
    }

    /// Discards the changes since the last commit.
    pub(super) fn discard_changes(&mut self) {
        for owned in self.owned.values_mut() {
            owned.state.abort();
        }
    }

    /// Reads the partitions that are still assigned again from these offsets.
    pub(super) fn read_again(&mut self, from: &Offsets) -> Result<()> {
        let own = self.all();
        let from = from.iter().filter(|(at, _)| own.contains(at));
        self.consumer.seek_all(&from.map(|(at, offset)| (at.clone(), *offset)).collect())
    }

    /// Syncs the state files if it is time to.
    pub(super) fn flush_if_due(&mut self) -> Result<()> {
        if Instant::now() < self.next_flush {
            return Ok(());
        }
        self.next_flush = Instant::now() + FLUSH_INTERVAL;
        self.owned.values_mut().try_for_each(|owned| owned.state.flush())
    }

    fn flush_all(&mut self) {
        for (partition, owned) in &mut self.owned {
            flush(*partition, owned);
        }
    }

    /// Leaves the group for good.
    pub(super) fn close(mut self) {
        self.discard_changes();
        self.flush_all();
        self.owned.clear();
        self.consumer.close();
    }

    fn publish_assignment(&self) {
        self.metrics.sink.partitions.set(self.all().len() as u64);
        tracing::info!(partitions = ?self.owned.keys().collect::<Vec<_>>(), "partitions owned");
    }
}

fn flush(partition: i32, owned: &mut OwnedPartition) {
    if let Err(error) = owned.state.flush() {
        tracing::warn!(%error, partition, "could not flush state: the next restore will take longer");
    }
}
