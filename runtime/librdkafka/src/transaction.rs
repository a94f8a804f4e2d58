use std::ffi::CStr;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_abort_transaction, rd_kafka_begin_transaction, rd_kafka_commit_transaction,
    rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
    rd_kafka_consumer_group_metadata_generation_id, rd_kafka_consumer_group_metadata_group_id,
    rd_kafka_consumer_group_metadata_member_id, rd_kafka_consumer_group_metadata_new,
    rd_kafka_consumer_group_metadata_t, rd_kafka_init_transactions, rd_kafka_send_offsets_to_transaction,
};

use super::{Client, Failure, PartitionList, c_text, millis};

/// A consumer's identity within its group.
#[derive(Debug)]
pub struct GroupIdentity(NonNull<rd_kafka_consumer_group_metadata_t>);

// SAFETY: plain memory that is never changed.
unsafe impl Send for GroupIdentity {}
// SAFETY: as above.
unsafe impl Sync for GroupIdentity {}

impl GroupIdentity {
    /// The current identity.
    pub fn of(consumer: &Client) -> Option<Self> {
        // SAFETY: the client lives; the object is freed by this value.
        NonNull::new(unsafe { rd_kafka_consumer_group_metadata(consumer.as_ptr()) }).map(Self)
    }

    /// An identity for a client outside the group.
    pub fn outside(group: &str) -> Option<Self> {
        let group = c_text(group);
        // SAFETY: the name lives through the call and is copied; the object is freed by this value.
        NonNull::new(unsafe { rd_kafka_consumer_group_metadata_new(group.as_ptr()) }).map(Self)
    }

    /// -1 while the consumer is not a member.
    pub fn generation(&self) -> i32 {
        // SAFETY: the object lives.
        unsafe { rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr()) }
    }

    pub fn group(&self) -> &str {
        // SAFETY: the text lives as long as the object; it is never null.
        unsafe { CStr::from_ptr(rd_kafka_consumer_group_metadata_group_id(self.0.as_ptr())) }
            .to_str()
            .unwrap_or_default()
    }

    pub fn member(&self) -> &str {
        // SAFETY: as above.
        unsafe { CStr::from_ptr(rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr())) }
            .to_str()
            .unwrap_or_default()
    }
}

impl Drop for GroupIdentity {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// librdkafka's own calls. Its commit flushes first and returns as soon as the broker has responded, provided that
/// another thread serves the delivery reports.
impl Client {
    pub fn init_transactions(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives; the error is freed. The same holds for the calls below.
        unsafe { Failure::take(rd_kafka_init_transactions(self.as_ptr(), millis(timeout))) }
    }

    pub fn begin_transaction(&self) -> Result<(), Failure> {
        // SAFETY: as above.
        unsafe { Failure::take(rd_kafka_begin_transaction(self.as_ptr())) }
    }

    pub fn commit_transaction(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: as above.
        unsafe { Failure::take(rd_kafka_commit_transaction(self.as_ptr(), millis(timeout))) }
    }

    pub fn abort_transaction(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: as above.
        unsafe { Failure::take(rd_kafka_abort_transaction(self.as_ptr(), millis(timeout))) }
    }

    pub fn send_offsets(
        &self,
        offsets: &PartitionList,
        group: &GroupIdentity,
        timeout: Duration,
    ) -> Result<(), Failure> {
        // SAFETY: list and group live through the call and are copied.
        unsafe {
            let error = rd_kafka_send_offsets_to_transaction(
                self.as_ptr(),
                offsets.as_ptr(),
                group.0.as_ptr(),
                millis(timeout),
            );
            Failure::take(error)
        }
    }
}
