use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::*;

use super::array;
use crate::list::view;
use crate::{Client, Failure, PartitionList, code};

/// The result for one partition.
#[derive(Debug)]
pub struct ListedOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: Result<i64, Failure>,
}

impl Client {
    /// The first offset of each partition.
    pub fn first_offsets<'a>(
        self: &Arc<Self>,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
        timeout: Duration,
    ) -> Result<Vec<ListedOffset>, Failure> {
        self.list_offsets(partitions, rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST, false, timeout)
    }

    /// The offset after the last record of each partition; with `read_committed` readers, after the last record that
    /// they can read.
    pub fn end_offsets<'a>(
        self: &Arc<Self>,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
        committed_only: bool,
        timeout: Duration,
    ) -> Result<Vec<ListedOffset>, Failure> {
        self.list_offsets(partitions, rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST, committed_only, timeout)
    }

    fn list_offsets<'a>(
        self: &Arc<Self>,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
        place: rd_kafka_OffsetSpec_t,
        committed_only: bool,
        timeout: Duration,
    ) -> Result<Vec<ListedOffset>, Failure> {
        let list = partitions.into_iter().map(|(topic, partition)| (topic, partition, place as i64));
        let list = PartitionList::new(list).ok_or_else(|| Failure::of(code::STATE))?;
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        // SAFETY: everything passed lives through the call and is copied; the answer lives as long as its event.
        let listed: Vec<ListedOffset> = self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                if committed_only {
                    let level = rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
                    // It cannot fail for this request.
                    let _ = Failure::take(rd_kafka_AdminOptions_set_isolation_level(options, level));
                }
                rd_kafka_ListOffsets(rk, list.as_ptr(), options, queue);
            },
            |event| unsafe {
                let result = rd_kafka_event_ListOffsets_result(event);
                let infos = array(|count| rd_kafka_ListOffsets_result_infos(result, count));
                let one = |&info: &*const rd_kafka_ListOffsetsResultInfo_t| {
                    let entry = view(rd_kafka_ListOffsetsResultInfo_topic_partition(info));
                    // For a partition whose leader did not respond there is neither an error nor an offset.
                    let known =
                        |()| (entry.offset >= 0).then_some(entry.offset).ok_or_else(|| Failure::of(code::NO_LEADER));
                    let offset = entry.result.and_then(known);
                    ListedOffset { topic: entry.topic.to_owned(), partition: entry.partition, offset }
                };
                Ok(infos.iter().map(one).collect())
            },
        )?;
        self.forget_old_leaders(&listed, timeout);
        Ok(listed)
    }

    /// After a leader's restart librdkafka sends the leader epoch from before, is refused, and repeats that until its
    /// metadata are five minutes old: other errors make it refresh its metadata, these do not.
    fn forget_old_leaders(self: &Arc<Self>, listed: &[ListedOffset], timeout: Duration) {
        let is_old = |listed: &&ListedOffset| {
            let failure = listed.offset.as_ref().err();
            failure.is_some_and(|failure| matches!(failure.code, code::OLD_LEADER_EPOCH | code::NEW_LEADER_EPOCH))
        };
        let topics: BTreeSet<&str> = listed.iter().filter(is_old).map(|listed| listed.topic.as_str()).collect();
        for topic in topics {
            if let Err(failure) = self.refresh(topic, timeout) {
                tracing::debug!(topic, failure = failure.message, "could not look for a topic's leaders");
            }
        }
    }
}
