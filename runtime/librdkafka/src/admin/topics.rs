use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::*;

use super::{Outcomes, array};
use crate::{Client, Failure, c_text, code, text};

/// A topic to be created.
#[derive(Debug)]
pub struct TopicCreation<'a> {
    pub name: &'a str,
    pub partitions: i32,
    pub replication: i32,
    pub config: &'a BTreeMap<String, String>,
}

/// Kafka's error code for invalid settings.
const INVALID_CONFIG: i32 = 40;

impl Client {
    pub fn create_topics(
        self: &Arc<Self>,
        topics: &[TopicCreation<'_>],
        timeout: Duration,
    ) -> Result<Outcomes, Failure> {
        let new = topics.iter().map(NewTopic::new).collect::<Result<Vec<_>, _>>()?;
        let mut raw: Vec<_> = new.iter().map(|topic| topic.0).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
        // SAFETY: everything passed lives through the call and is copied; the answer lives as long as its event.
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

    /// The ids of topics, as text; those that are not there, or have none, are left out.
    pub fn topic_ids(self: &Arc<Self>, topics: &[String], timeout: Duration) -> Result<Vec<(String, String)>, Failure> {
        /// The id returned by a broker without topic ids.
        const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
        let names: Vec<CString> = topics.iter().map(|name| c_text(name)).collect();
        let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        // SAFETY: everything passed lives through the call and is copied; the answer lives as long as its event.
        self.request(
            op,
            timeout,
            |rk, options, queue| unsafe {
                let mut raw: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
                let topics = rd_kafka_TopicCollection_of_topic_names(raw.as_mut_ptr(), raw.len());
                rd_kafka_DescribeTopics(rk, topics, options, queue);
                rd_kafka_TopicCollection_destroy(topics);
            },
            |event| unsafe {
                let result = rd_kafka_event_DescribeTopics_result(event);
                let topics = array(|count| rd_kafka_DescribeTopics_result_topics(result, count));
                let one = |&topic: &*const rd_kafka_TopicDescription_t| {
                    let id = rd_kafka_TopicDescription_topic_id(topic);
                    if id.is_null() || Failure::look(rd_kafka_TopicDescription_error(topic)).is_err() {
                        return None;
                    }
                    let id = text(rd_kafka_Uuid_base64str(id));
                    (id != NONE).then(|| (text(rd_kafka_TopicDescription_name(topic)), id))
                };
                Ok(topics.iter().filter_map(one).collect())
            },
        )
    }

    pub fn delete_topics(self: &Arc<Self>, topics: &[String], timeout: Duration) -> Result<Outcomes, Failure> {
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

    /// The settings of a topic that the broker returns.
    pub fn topic_config(self: &Arc<Self>, topic: &str, timeout: Duration) -> Result<BTreeMap<String, String>, Failure> {
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

impl Drop for NewTopic {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned, freed once.
            unsafe { rd_kafka_NewTopic_destroy(self.0) }
        }
    }
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
