use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::*;

use super::{Outcomes, array};
use crate::{Client, Failure, PartitionList, c_text, code, text};

/// Offsets of a group as returned by the broker.
pub type GroupOffsets = PartitionList;

impl Client {
    pub fn delete_groups(self: &Arc<Self>, groups: &[String], timeout: Duration) -> Result<Outcomes, Failure> {
        let names: Vec<CString> = groups.iter().map(|name| c_text(name)).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS;
        // SAFETY: everything passed lives through the call and is copied; the answer lives as long as its event.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw: Vec<_> = names.iter().map(|name| rd_kafka_DeleteGroup_new(name.as_ptr())).collect();
                rd_kafka_DeleteGroups(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_DeleteGroup_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                let result = rd_kafka_event_DeleteGroups_result(event);
                let groups = array(|count| rd_kafka_DeleteGroups_result_groups(result, count));
                let one = |&group: &*const rd_kafka_group_result_t| {
                    (text(rd_kafka_group_result_name(group)), Failure::look(rd_kafka_group_result_error(group)))
                };
                Ok(groups.iter().map(one).collect())
            },
        )
    }

    /// All offsets of a group.
    pub fn group_offsets(self: &Arc<Self>, group: &str, timeout: Duration) -> Result<GroupOffsets, Failure> {
        let group = c_text(group);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        // SAFETY: as above; without a list all partitions are requested.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw = [rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), std::ptr::null())];
                rd_kafka_ListConsumerGroupOffsets(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_ListConsumerGroupOffsets_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                let result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
                group_result(|count| rd_kafka_ListConsumerGroupOffsets_result_groups(result, count))
            },
        )
    }

    pub fn alter_group_offsets(
        self: &Arc<Self>,
        group: &str,
        offsets: &PartitionList,
        timeout: Duration,
    ) -> Result<GroupOffsets, Failure> {
        let group = c_text(group);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
        // SAFETY: as above.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw = [rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), offsets.as_ptr())];
                rd_kafka_AlterConsumerGroupOffsets(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_AlterConsumerGroupOffsets_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                let result = rd_kafka_event_AlterConsumerGroupOffsets_result(event);
                group_result(|count| rd_kafka_AlterConsumerGroupOffsets_result_groups(result, count))
            },
        )
    }

    pub fn delete_group_offsets(
        self: &Arc<Self>,
        group: &str,
        partitions: &PartitionList,
        timeout: Duration,
    ) -> Result<GroupOffsets, Failure> {
        let group = c_text(group);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS;
        // SAFETY: as above.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw = [rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), partitions.as_ptr())];
                rd_kafka_DeleteConsumerGroupOffsets(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_DeleteConsumerGroupOffsets_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                let result = rd_kafka_event_DeleteConsumerGroupOffsets_result(event);
                group_result(|count| rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, count))
            },
        )
    }

    /// The members of a group: id and `client.id` of each.
    pub fn group_members(self: &Arc<Self>, group: &str, timeout: Duration) -> Result<Vec<(String, String)>, Failure> {
        let group = c_text(group);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        // SAFETY: as above.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw = [group.as_ptr()];
                rd_kafka_DescribeConsumerGroups(rk, raw.as_mut_ptr(), raw.len(), options, queue);
            },
            |event| unsafe {
                let result = rd_kafka_event_DescribeConsumerGroups_result(event);
                let mut members = Vec::new();
                for &group in array(|count| rd_kafka_DescribeConsumerGroups_result_groups(result, count)) {
                    Failure::look(rd_kafka_ConsumerGroupDescription_error(group))?;
                    for place in 0..rd_kafka_ConsumerGroupDescription_member_count(group) {
                        let member = rd_kafka_ConsumerGroupDescription_member(group, place);
                        if !member.is_null() {
                            let id = text(rd_kafka_MemberDescription_consumer_id(member));
                            members.push((id, text(rd_kafka_MemberDescription_client_id(member))));
                        }
                    }
                }
                Ok(members)
            },
        )
    }
}

/// The result for the one requested group.
///
/// # Safety
/// As for [`array`].
unsafe fn group_result(
    get: impl FnOnce(*mut usize) -> *mut *const rd_kafka_group_result_t,
) -> Result<GroupOffsets, Failure> {
    // SAFETY: as the caller promises; the list is copied.
    unsafe {
        let Some(&group) = array(get).first() else { return Err(Failure::of(code::GROUP_ID_NOT_FOUND)) };
        Failure::look(rd_kafka_group_result_error(group))?;
        PartitionList::copy_of(rd_kafka_group_result_partitions(group)).ok_or_else(|| Failure::of(code::STATE))
    }
}
