use std::sync::Arc;

use tributary_api::{Record, Result, TopicPartition};
use tributary_kafka::RawRecord;

use crate::tasks::errors::{ErrorOperator, FailedRecord, Recovery};
use crate::tasks::{Decoder, StatelessHost};

/// Records for one `put`, and what taking them means. Kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What the plugin is given.
    pub(crate) records: Vec<Record>,
    /// As consumed, where a record may have to be reported.
    pub(crate) raw: Vec<RawRecord>,
    /// The run of offsets in each partition, also of records that were dropped on the way.
    pub(crate) ranges: Vec<OffsetRange>,
}

/// Offsets read of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetRange {
    pub(crate) partition: TopicPartition,
    pub(crate) first: i64,
    /// Behind the last.
    pub(crate) next: i64,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.raw.clear();
        self.ranges.clear();
    }

    /// Converts and transforms what was read; `false` when the task was asked to stop meanwhile, and the batch is to
    /// be thrown away.
    ///
    /// # Errors
    /// When a record fails and that is not tolerated.
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

    /// Takes out what belongs to partitions that are not this task's any more.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        let gone = |topic: &str, partition: i32| {
            partitions.iter().any(|gone| gone.partition == partition && &*gone.topic == topic)
        };
        self.ranges.retain(|range| !gone(&range.partition.topic, range.partition.partition));
        self.raw.retain(|raw| !gone(&raw.topic, raw.partition));
        self.records
            .retain(|record| !record.consumed_from().is_some_and(|(topic, partition, _)| gone(topic, partition)));
    }

    /// Notes the offset in its partition's run, most often the one of the record before; answers which.
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
