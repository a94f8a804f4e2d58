use std::thread;
use std::time::{Duration, Instant};

use tributary_api::{Offsets, Result, TopicPartition};
use tributary_librdkafka::code;

use super::{Consumer, Position, StartOffsets, all_listed, list};
use crate::ClientConfig;

/// librdkafka's special offsets.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const COMMITTED: i64 = -1000;

/// How long to wait for a group's coordinator before the partitions are assigned without its offsets.
const COORDINATOR_APPEARS: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(50);
/// How long the ends of partitions without a committed offset are requested.
const ENDS: Duration = Duration::from_secs(5);

/// The value of `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    Earliest,
    Latest,
    /// It is an error, or none of the above.
    None,
}

impl Reset {
    /// Java's default is the latest.
    pub(super) fn of(config: &ClientConfig) -> Self {
        match config.get("auto.offset.reset").map(str::to_ascii_lowercase).as_deref() {
            Some("earliest") => Self::Earliest,
            None | Some("latest") => Self::Latest,
            Some(_) => Self::None,
        }
    }
}

impl Position {
    pub(super) fn offset(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST,
            Self::Latest => LATEST,
            Self::At(offset) => offset,
            Self::Committed => COMMITTED,
        }
    }
}

/// Which partitions are read, and from where.
impl Consumer {
    /// Assigns partitions, each at the group's offset or by `auto.offset.reset`. Must follow
    /// [`super::Polled::Assigned`], also with an empty list. Returns their start offsets, as far as they are known.
    ///
    /// # Errors
    /// `Retriable` when the group has moved on meanwhile.
    pub fn accept(&mut self, assigned: &[TopicPartition]) -> Result<StartOffsets> {
        let starts = self.starts(assigned);
        let position = |tp| starts.of(tp).map_or(Position::Committed, Position::At);
        let positions: Vec<_> = assigned.iter().map(|tp| (tp.clone(), position(tp))).collect();
        self.accept_at(&positions)?;
        Ok(starts)
    }

    fn starts(&self, assigned: &[TopicPartition]) -> StartOffsets {
        let Some(committed) = self.group_offsets(assigned) else { return StartOffsets::default() };
        let new: Vec<&TopicPartition> = assigned.iter().filter(|tp| !committed.contains_key(*tp)).collect();
        let reset = self.reset_offsets(&new).unwrap_or_else(|error| {
            tracing::warn!(%error, "partitions without an offset start where auto.offset.reset says");
            Offsets::new()
        });
        StartOffsets { committed, reset }
    }

    /// The start offsets of partitions without a committed offset. librdkafka resolves them too, but exposes them only
    /// with the first record: an idle partition would have no position.
    fn reset_offsets(&self, partitions: &[&TopicPartition]) -> Result<Offsets> {
        if partitions.is_empty() || self.reset == Reset::None {
            return Ok(Offsets::new());
        }
        let (wanted, timeout) = (partitions.iter().map(|tp| (&*tp.topic, tp.partition)), ENDS.min(self.api_timeout));
        let listed = match self.reset {
            Reset::Earliest => self.client.first_offsets(wanted, timeout),
            _ => self.client.end_offsets(wanted, self.committed_only, timeout),
        };
        let listed = listed.and_then(all_listed);
        let mut offsets = listed.map_err(|failure| self.reason(failure, "find where partitions begin"))?;
        // A broker without an answer returns -1, which as a position would mean the end.
        offsets.retain(|_, offset| *offset >= 0);
        Ok(offsets)
    }

    /// The group's offsets, as far as they are available. librdkafka would request them too, but if a broker answers
    /// that it is not the coordinator, as after a restart, librdkafka never asks again for these partitions
    /// (`rd_kafka_assignment_apply_offsets` of 2.12), and they would not be read.
    fn group_offsets(&self, assigned: &[TopicPartition]) -> Option<Offsets> {
        let deadline = Instant::now() + self.api_timeout.min(COORDINATOR_APPEARS);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.committed(assigned, left) {
                Ok(offsets) => return Some(offsets),
                Err(error) if error.is_retriable() && !left.is_zero() => {
                    tracing::debug!(%error, "asking for the group's offsets again");
                    thread::sleep(RETRY);
                }
                Err(error) => {
                    tracing::warn!(%error, "partitions are assigned but the group's offsets could not be read");
                    return None;
                }
            }
        }
    }

    /// As [`Consumer::accept`], beginning at given offsets.
    ///
    /// # Errors
    /// As for [`Consumer::accept`].
    pub fn accept_at(&mut self, assigned: &[(TopicPartition, Position)]) -> Result<()> {
        let list = list(assigned.iter().map(|(tp, position)| (tp, position.offset())))?;
        let result =
            if self.client.is_cooperative() { self.client.assign_more(&list) } else { self.client.assign(Some(&list)) };
        self.rebalancing = false;
        result.map_err(|failure| self.reason(failure, "take on the partitions assigned"))
    }

    /// Reads these partitions too, in no group.
    pub(crate) fn add(&mut self, partitions: &[(TopicPartition, Position)]) -> Result<()> {
        let list = list(partitions.iter().map(|(tp, position)| (tp, position.offset())))?;
        self.client.assign_more(&list).map_err(|failure| self.reason(failure, "read more partitions"))
    }

    /// Releases partitions. Must follow [`super::Polled::Revoked`], after the caller has committed.
    ///
    /// # Errors
    /// `Retriable` when the group has moved on meanwhile.
    pub fn release(&mut self, revoked: &[TopicPartition]) -> Result<()> {
        let result = if self.client.is_cooperative() {
            self.client.unassign(&list(revoked.iter().map(|tp| (tp, 0)))?)
        } else {
            self.client.assign(None)
        };
        self.rebalancing = false;
        result.map_err(|failure| self.reason(failure, "give up the partitions revoked"))
    }

    /// The partitions read now.
    ///
    /// # Errors
    /// `Fatal` after the client has failed.
    pub fn assignment(&self) -> Result<Vec<TopicPartition>> {
        let list = self.client.assignment().map_err(|failure| self.reason(failure, "tell the assignment"))?;
        let entries = list.iter().flat_map(|list| list.iter());
        Ok(entries.map(|entry| TopicPartition::new(entry.topic, entry.partition)).collect())
    }

    /// Stops reading partitions until resumed; records fetched before are not handed out either.
    ///
    /// # Errors
    /// `Retriable` when one of them is not assigned.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list(partitions.iter().map(|tp| (tp, 0)))?;
        self.client.pause(&list).map_err(|failure| self.reason(failure, "pause partitions"))
    }

    /// Resumes partitions.
    ///
    /// # Errors
    /// `Retriable` when one of them is not assigned.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list(partitions.iter().map(|tp| (tp, 0)))?;
        self.client.resume(&list).map_err(|failure| self.reason(failure, "resume partitions"))
    }

    /// Continues reading at an offset.
    ///
    /// # Errors
    /// `Retriable` when the partition is not assigned.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        self.seek_all(&Offsets::from([(partition.clone(), offset)]))
    }

    /// Continues reading at these offsets.
    ///
    /// # Errors
    /// `Retriable` when a partition is not assigned.
    pub fn seek_all(&mut self, offsets: &Offsets) -> Result<()> {
        const STEP: Duration = Duration::from_millis(5);
        const SETTLE: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + SETTLE;
        loop {
            let list = list(offsets.iter().map(|(tp, offset)| (tp, *offset)))?;
            match self.client.seek(&list, self.api_timeout) {
                Ok(()) => return Ok(()),
                // Just assigned: librdkafka has not begun to read it yet.
                Err(failure) if failure.code == code::STATE && Instant::now() < deadline => thread::sleep(STEP),
                Err(failure) => return Err(self.reason(failure, "seek")),
            }
        }
    }

    /// The offset of the next record to be returned; none before the first one, or when not assigned.
    ///
    /// # Errors
    /// `Fatal` after the client has failed.
    pub fn position(&self, partition: &TopicPartition) -> Result<Option<i64>> {
        let list = list([(partition, 0)])?;
        self.client.position(&list).map_err(|failure| self.reason(failure, "tell the position"))?;
        Ok(list.iter().next().map(|entry| entry.offset).filter(|offset| *offset >= 0))
    }
}
