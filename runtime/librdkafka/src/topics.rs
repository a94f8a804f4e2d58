use std::ffi::c_int;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_clusterid, rd_kafka_mem_free, rd_kafka_metadata, rd_kafka_metadata_destroy, rd_kafka_metadata_topic,
};

use super::{Client, Failure, TopicHandle, code, millis, text};

impl Client {
    /// All topics that the broker lists, with their numbers of partitions. The request contains no topic names, so that
    /// it creates no topic.
    pub fn all_topics(&self, timeout: Duration) -> Result<Vec<(String, i32)>, Failure> {
        let mut metadata = ptr::null();
        // SAFETY: the client lives; the answer is freed below.
        Failure::check(unsafe {
            rd_kafka_metadata(self.as_ptr(), 1, ptr::null_mut(), &mut metadata, millis(timeout))
        })?;
        // SAFETY: the answer lives until it is freed, and nothing of it is kept.
        unsafe {
            let topics = entries((*metadata).topics, (*metadata).topic_cnt).iter().filter_map(|topic| known(topic));
            let topics = topics.collect();
            rd_kafka_metadata_destroy(metadata);
            Ok(topics)
        }
    }

    /// Refreshes the leaders of a topic's partitions.
    pub(crate) fn refresh(self: &Arc<Self>, topic: &str, timeout: Duration) -> Result<(), Failure> {
        let handle = TopicHandle::new(self, topic)?;
        let mut metadata = ptr::null();
        // SAFETY: client and topic live through the call; the answer is freed, and nothing of it is read.
        unsafe {
            Failure::check(rd_kafka_metadata(self.as_ptr(), 0, handle.as_ptr(), &mut metadata, millis(timeout)))?;
            rd_kafka_metadata_destroy(metadata);
        }
        Ok(())
    }

    /// The cluster's id, if the broker returns it in time.
    pub fn cluster_id(&self, timeout: Duration) -> Option<String> {
        // SAFETY: the client lives; the text is copied and freed.
        unsafe {
            let id = rd_kafka_clusterid(self.as_ptr(), millis(timeout));
            if id.is_null() {
                return None;
            }
            let copy = text(id);
            rd_kafka_mem_free(self.as_ptr(), id.cast());
            Some(copy)
        }
    }
}

/// # Safety
/// The topic is part of a live answer.
unsafe fn known(topic: &rd_kafka_metadata_topic) -> Option<(String, i32)> {
    // SAFETY: as the caller promises.
    let (error, topic_name) = unsafe { ((&raw const topic.err).cast::<i32>().read(), text(topic.topic)) };
    (error == code::NONE).then_some((topic_name, topic.partition_cnt))
}

/// # Safety
/// The pointer is to `count` live entries.
unsafe fn entries<'a, T>(pointer: *const T, count: c_int) -> &'a [T] {
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: as the caller promises.
    if count == 0 { &[] } else { unsafe { slice::from_raw_parts(pointer, count) } }
}
