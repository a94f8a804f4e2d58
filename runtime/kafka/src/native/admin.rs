use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::*;

use super::list::view;
use super::{Client, Event, Failure, PartitionList, Queue, c_text, code, millis, text};

/// A topic to be created.
pub(crate) struct TopicCreation<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) replication: i32,
    pub(crate) config: &'a BTreeMap<String, String>,
}

/// What became of each topic or group of a request.
pub(crate) type Outcomes = Vec<(String, Result<(), Failure>)>;

/// Offsets of a group as the broker answered them.
pub(crate) type GroupOffsets = PartitionList;

/// The answer for one partition.
pub(crate) struct ListedOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: Result<i64, Failure>,
}

/// How long to wait for an answer beyond the time given to librdkafka to make one.
const GRACE: Duration = Duration::from_secs(5);

/// Requests of administration. All of them block until answered or timed out.
impl Client {
    pub(crate) fn create_topics(
        self: &Arc<Self>,
        topics: &[TopicCreation<'_>],
        timeout: Duration,
    ) -> Result<Outcomes, Failure> {
        let new = topics.iter().map(NewTopic::new).collect::<Result<Vec<_>, _>>()?;
        let mut raw: Vec<_> = new.iter().map(|topic| topic.0).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
        // SAFETY: everything passed lives through the call and is copied; the answer lives as long as its event.
        // The same holds for the requests below.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                rd_kafka_CreateTopics(rk, raw.as_mut_ptr(), raw.len(), options, queue);
            },
            |event| unsafe {
                topic_results(|count| {
                    rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), count)
                })
            },
        )
    }

    pub(crate) fn delete_topics(self: &Arc<Self>, topics: &[String], timeout: Duration) -> Result<Outcomes, Failure> {
        let names: Vec<CString> = topics.iter().map(|name| c_text(name)).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS;
        // SAFETY: as above; the objects are made and freed around the call.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw: Vec<_> = names.iter().map(|name| rd_kafka_DeleteTopic_new(name.as_ptr())).collect();
                rd_kafka_DeleteTopics(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_DeleteTopic_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                topic_results(|count| {
                    rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), count)
                })
            },
        )
    }

    /// The settings of a topic, as far as the broker tells.
    pub(crate) fn topic_config(
        self: &Arc<Self>,
        topic: &str,
        timeout: Duration,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let name = c_text(topic);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        // SAFETY: as above.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let kind = rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
                let mut raw = [rd_kafka_ConfigResource_new(kind, name.as_ptr())];
                rd_kafka_DescribeConfigs(rk, raw.as_mut_ptr(), raw.len(), options, queue);
                rd_kafka_ConfigResource_destroy_array(raw.as_mut_ptr(), raw.len());
            },
            |event| unsafe {
                let result = rd_kafka_event_DescribeConfigs_result(event);
                let mut config = BTreeMap::new();
                for &resource in array(|count| rd_kafka_DescribeConfigs_result_resources(result, count)) {
                    match rd_kafka_ConfigResource_error(resource) as i32 {
                        code::NONE => {}
                        code => return Err(Failure::new(code, text(rd_kafka_ConfigResource_error_string(resource)))),
                    }
                    for &entry in array(|count| rd_kafka_ConfigResource_configs(resource, count)) {
                        let value = rd_kafka_ConfigEntry_value(entry);
                        if !value.is_null() {
                            config.insert(text(rd_kafka_ConfigEntry_name(entry)), text(value));
                        }
                    }
                }
                Ok(config)
            },
        )
    }

    pub(crate) fn delete_groups(self: &Arc<Self>, groups: &[String], timeout: Duration) -> Result<Outcomes, Failure> {
        let names: Vec<CString> = groups.iter().map(|name| c_text(name)).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS;
        // SAFETY: as above.
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
    pub(crate) fn group_offsets(self: &Arc<Self>, group: &str, timeout: Duration) -> Result<GroupOffsets, Failure> {
        let group = c_text(group);
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        // SAFETY: as above; without a list all partitions are asked for.
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

    pub(crate) fn alter_group_offsets(
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

    pub(crate) fn delete_group_offsets(
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

    /// Whether a group has members.
    pub(crate) fn group_has_members(self: &Arc<Self>, group: &str, timeout: Duration) -> Result<bool, Failure> {
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
                for &group in array(|count| rd_kafka_DescribeConsumerGroups_result_groups(result, count)) {
                    Failure::look(rd_kafka_ConsumerGroupDescription_error(group))?;
                    if rd_kafka_ConsumerGroupDescription_member_count(group) > 0 {
                        return Ok(true);
                    }
                }
                Ok(false)
            },
        )
    }

    /// The first offset of each partition.
    pub(crate) fn first_offsets<'a>(
        self: &Arc<Self>,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
        timeout: Duration,
    ) -> Result<Vec<ListedOffset>, Failure> {
        self.list_offsets(partitions, rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST, false, timeout)
    }

    /// The offset behind the last record of each partition: behind the last one that a reader of committed
    /// records may see, if asked for.
    pub(crate) fn end_offsets<'a>(
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
        // SAFETY: as above.
        self.request(
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
                    let offset = entry.result.map(|()| entry.offset);
                    ListedOffset { topic: entry.topic.to_owned(), partition: entry.partition, offset }
                };
                Ok(infos.iter().map(one).collect())
            },
        )
    }

    fn request<T>(
        self: &Arc<Self>,
        op: rd_kafka_admin_op_t,
        timeout: Duration,
        submit: impl FnOnce(*mut rd_kafka_t, *mut rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
        read: impl FnOnce(*mut rd_kafka_event_t) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let queue = Queue::new(self).ok_or_else(|| Failure::of(code::STATE))?;
        let options = Options::new(self, op, timeout)?;
        submit(self.as_ptr(), options.0, queue.as_ptr());
        let event = queue.poll(timeout + GRACE).ok_or_else(|| Failure::of(code::TIMED_OUT))?;
        event.result()?;
        read(Event::as_ptr(&event))
    }
}

struct Options(*mut rd_kafka_AdminOptions_t);

impl Options {
    fn new(client: &Client, op: rd_kafka_admin_op_t, timeout: Duration) -> Result<Self, Failure> {
        // SAFETY: makes options that this value frees.
        let options = Self(unsafe { rd_kafka_AdminOptions_new(client.as_ptr(), op) });
        let mut message = [0 as c_char; 256];
        // SAFETY: options and buffer live through the call.
        let set = unsafe {
            rd_kafka_AdminOptions_set_request_timeout(options.0, millis(timeout), message.as_mut_ptr(), message.len())
        };
        Failure::check(set)?;
        let changes_topics =
            [rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS];
        if changes_topics.contains(&op) {
            // The broker answers when it is done, not when it has begun.
            // SAFETY: as above.
            Failure::check(unsafe {
                let size = message.len();
                rd_kafka_AdminOptions_set_operation_timeout(options.0, millis(timeout), message.as_mut_ptr(), size)
            })?;
        }
        Ok(options)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd_kafka_AdminOptions_destroy(self.0) }
    }
}

struct NewTopic(*mut rd_kafka_NewTopic_t);

impl NewTopic {
    fn new(topic: &TopicCreation<'_>) -> Result<Self, Failure> {
        let name = c_text(topic.name);
        let mut message = [0 as c_char; 256];
        let size = message.len();
        // SAFETY: everything passed lives through the call; the object is freed by this value.
        let new = unsafe {
            let errors = message.as_mut_ptr();
            Self(rd_kafka_NewTopic_new(name.as_ptr(), topic.partitions, topic.replication, errors, size))
        };
        if new.0.is_null() {
            // SAFETY: librdkafka ends its messages with NUL.
            return Err(Failure::new(INVALID_CONFIG, unsafe { text(message.as_ptr()) }));
        }
        for (name, value) in topic.config {
            let (name, value) = (c_text(name), c_text(value));
            // SAFETY: as above; the texts are copied.
            Failure::check(unsafe { rd_kafka_NewTopic_set_config(new.0, name.as_ptr(), value.as_ptr()) })?;
        }
        Ok(new)
    }
}

/// Kafka's number for settings that do not fit.
const INVALID_CONFIG: i32 = 40;

impl Drop for NewTopic {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned, freed once.
            unsafe { rd_kafka_NewTopic_destroy(self.0) }
        }
    }
}

/// # Safety
/// The function returns null or a pointer to as many live entries as it counts.
unsafe fn array<'a, T>(get: impl FnOnce(*mut usize) -> *mut *const T) -> &'a [*const T] {
    let mut count = 0;
    let entries = get(&mut count);
    // SAFETY: as the caller promises.
    if entries.is_null() || count == 0 { &[] } else { unsafe { slice::from_raw_parts(entries, count) } }
}

/// # Safety
/// As for [`array`].
unsafe fn topic_results(
    get: impl FnOnce(*mut usize) -> *mut *const rd_kafka_topic_result_t,
) -> Result<Outcomes, Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        let one = |&topic: &*const rd_kafka_topic_result_t| {
            let result = match rd_kafka_topic_result_error(topic) as i32 {
                code::NONE => Ok(()),
                code => Err(Failure::new(code, text(rd_kafka_topic_result_error_string(topic)))),
            };
            (text(rd_kafka_topic_result_name(topic)), result)
        };
        Ok(array(get).iter().map(one).collect())
    }
}

/// The answer for the one group that was asked for.
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
