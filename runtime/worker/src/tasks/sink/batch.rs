use std::sync::Arc;

use tributary_api::{Record, Result, TopicPartition};
use tributary_kafka::RawRecord;

use crate::tasks::errors::{ErrorOperator, FailedRecord, Recovery};
use crate::tasks::{Decoder, StatelessHost};

/// The records of one `put`, with their offsets. Reused, so that its memory is.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The records for the plugin.
    pub(crate) records: Vec<Record>,
    /// The consumed records, kept only where a record may have to be reported.
    pub(crate) raw: Vec<RawRecord>,
    /// The offsets read in each partition, including those of records that were dropped.
    pub(crate) ranges: Vec<OffsetRange>,
}

/// Offsets read of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetRange {
    pub(crate) partition: TopicPartition,
    pub(crate) first: i64,
    /// The offset after the last one.
    pub(crate) next: i64,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.raw.clear();
        self.ranges.clear();
    }

    /// Converts and transforms the records that were read; `false` when the task was asked to stop meanwhile and the
    /// batch is to be discarded.
    ///
    /// # Errors
    /// When a record fails and the error is not tolerated.
    pub(crate) async fn fill(
        &mut self,
        raw: Vec<RawRecord>,
        decoder: &mut Decoder,
        operator: &ErrorOperator,
        now: i64,
    ) -> Result<bool> {
        let mut host = StatelessHost { now };
        let keeps = operator.reports() || operator.retries();
        let mut range = 0;
        for raw in raw {
            range = self.note_offset(&raw, range);
            let kept = keeps.then(|| raw.clone());
            if let Err(mut failure) = decoder.run(raw, &mut host, &mut self.records) {
                let subject = kept.as_ref().map_or(FailedRecord::Unknown, FailedRecord::Consumed);
                if kept.is_none() {
                    let OffsetRange { partition, next, .. } = &self.ranges[range];
                    failure.error = failure.error.context(format!("record {} of {partition}", next - 1));
                }
                let again = || match &kept {
                    Some(raw) => decoder.run(raw.clone(), &mut host, &mut self.records),
                    None => Err(failure.clone()),
                };
                if operator.recover(failure.clone(), subject, again).await? == Recovery::Stopped {
                    return Ok(false);
                }
            }
            if operator.reports() {
                self.raw.extend(kept);
            }
        }
        Ok(true)
    }

    /// Removes the records of partitions that are no longer assigned to this task.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        let gone = |topic: &str, partition: i32| {
            partitions.iter().any(|gone| gone.partition == partition && &*gone.topic == topic)
        };
        self.ranges.retain(|range| !gone(&range.partition.topic, range.partition.partition));
        self.raw.retain(|raw| !gone(&raw.topic, raw.partition));
        self.records
            .retain(|record| !record.consumed_from().is_some_and(|(topic, partition, _)| gone(topic, partition)));
    }

    /// Adds the offset to its partition's range, most often that of the previous record; returns the index of the
    /// range.
    fn note_offset(&mut self, raw: &RawRecord, last: usize) -> usize {
        let same = |range: &OffsetRange| {
            range.partition.partition == raw.partition
                && (Arc::ptr_eq(&range.partition.topic, &raw.topic) || range.partition.topic == raw.topic)
        };
        let index =
            if self.ranges.get(last).is_some_and(same) { Some(last) } else { self.ranges.iter().position(same) };
        let next = raw.offset + 1;
        if let Some(index) = index {
            self.ranges[index].next = next;
            return index;
        }
        let partition = TopicPartition::new(Arc::clone(&raw.topic), raw.partition);
        self.ranges.push(OffsetRange { partition, first: raw.offset, next });
        self.ranges.len() - 1
    }
}
