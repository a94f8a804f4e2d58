use std::collections::BTreeMap;

use tributary_api::{Offsets, TopicPartition};
use tributary_kafka::StartOffsets;

/// The offsets of a sink task in each of its partitions.
#[derive(Debug, Default)]
pub(crate) struct SinkOffsets(BTreeMap<TopicPartition, PartitionOffsets>);

#[derive(Clone, Copy, Debug, Default)]
struct PartitionOffsets {
    /// Where reading starts again after a rewind: the last commit or, without one, the first record read.
    base: Option<i64>,
    /// The offset after the last record that was put.
    current: Option<i64>,
    committed: Option<i64>,
    /// The start offset where the group has none: it is committed even if no record ever comes, because with
    /// `auto.offset.reset=latest` the next owner of the partition would otherwise skip the records written until then.
    start: Option<i64>,
}

impl SinkOffsets {
    pub(crate) fn assigned(&mut self, partitions: &[TopicPartition], starts: &StartOffsets) {
        for partition in partitions {
            let (from, committed) = (starts.of(partition), starts.committed.get(partition).copied());
            let start = starts.reset.get(partition).copied();
            self.0.insert(partition.clone(), PartitionOffsets { base: from, current: from, committed, start });
        }
    }

    pub(crate) fn revoked(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.0.remove(partition);
        }
    }

    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        self.0.keys().cloned().collect()
    }

    /// A record was read, but not necessarily put yet.
    pub(crate) fn read(&mut self, partition: &TopicPartition, first: i64) {
        if let Some(offsets_of) = self.0.get_mut(partition) {
            offsets_of.base.get_or_insert(first);
        }
    }

    /// Records before this offset were put.
    pub(crate) fn delivered(&mut self, partition: &TopicPartition, next: i64) {
        if let Some(offsets_of) = self.0.get_mut(partition) {
            offsets_of.current = Some(next);
        }
    }

    /// The next offsets of these partitions, where a record was put.
    pub(crate) fn current(&self, of: &[TopicPartition]) -> Offsets {
        let current = |partition: &TopicPartition| Some((partition.clone(), self.0.get(partition)?.current?));
        of.iter().filter_map(current).collect()
    }

    /// What may be committed of these partitions, given the offsets that the plugin calls safe: none beyond what was
    /// put, none of partitions that are not assigned, none that is committed already (I3). A partition's start offset
    /// may be committed in any case.
    pub(crate) fn committable(&self, of: &[TopicPartition], safe: Offsets) -> Offsets {
        let mut committable = safe;
        committable.retain(|partition, offset| {
            let Some(offsets_of) = self.0.get(partition) else {
                tracing::warn!(%partition, "pre_commit returned an offset of a partition that is not assigned, it is ignored");
                return false;
            };
            if offsets_of.current.is_none_or(|current| *offset > current) {
                tracing::warn!(%partition, offset, "pre_commit returned an offset beyond the records put, it is ignored");
                return false;
            }
            offsets_of.committed != Some(*offset)
        });
        for partition in of {
            if let Some(PartitionOffsets { start: Some(start), committed: None, .. }) = self.0.get(partition) {
                committable.entry(partition.clone()).or_insert(*start);
            }
        }
        committable
    }

    pub(crate) fn committed(&mut self, offsets: &Offsets) {
        for (partition, offset) in offsets {
            if let Some(offsets_of) = self.0.get_mut(partition) {
                offsets_of.committed = Some(*offset);
                offsets_of.base = Some(*offset);
            }
        }
    }

    /// The plugin requested to read a partition from another offset; `false` when the partition is not assigned.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, offset: i64) -> bool {
        let Some(offsets_of) = self.0.get_mut(partition) else { return false };
        *offsets_of = PartitionOffsets { base: Some(offset), current: Some(offset), start: None, ..*offsets_of };
        true
    }

    /// Goes back to the last commit; returns the offsets to read from.
    pub(crate) fn rewind(&mut self) -> Offsets {
        let back = |(partition, offsets_of): (&TopicPartition, &mut PartitionOffsets)| {
            offsets_of.current = offsets_of.current.and(offsets_of.base);
            Some((partition.clone(), offsets_of.base?))
        };
        self.0.iter_mut().filter_map(back).collect()
    }
}
