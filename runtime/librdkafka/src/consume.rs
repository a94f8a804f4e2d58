use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings::{
    RD_KAFKA_EVENT_OFFSET_COMMIT, RD_KAFKA_EVENT_REBALANCE, rd_kafka_assign, rd_kafka_assignment,
    rd_kafka_assignment_lost, rd_kafka_commit_queue, rd_kafka_committed, rd_kafka_consumer_close_queue,
    rd_kafka_consumer_closed, rd_kafka_event_topic_partition_list, rd_kafka_incremental_assign,
    rd_kafka_incremental_unassign, rd_kafka_pause_partitions, rd_kafka_position, rd_kafka_query_watermark_offsets,
    rd_kafka_rebalance_protocol, rd_kafka_resp_err_t, rd_kafka_resume_partitions, rd_kafka_seek_partitions,
    rd_kafka_subscribe, rd_kafka_t, rd_kafka_topic_partition_list_t, rd_kafka_unsubscribe,
};

use super::client::Callbacks;
use super::list::pointer;
use super::queue::wake_consumer;
use super::{Client, Event, Failure, PartitionList, Queue, c_text, code, millis};

/// A rebalance of the group. It continues only after the consumer has applied it.
#[derive(Debug)]
pub struct Rebalance {
    /// Whether the partitions are assigned or revoked.
    pub assign: bool,
    /// The partitions already have another owner: it is too late to commit.
    pub lost: bool,
    pub partitions: PartitionList,
}

/// Stores the rebalance for the consumer's owner and ends its wait. librdkafka calls this on the owner's own thread,
/// from within a fetch.
pub(super) unsafe extern "C" fn on_rebalance(
    client: *mut rd_kafka_t,
    error: rd_kafka_resp_err_t,
    partitions: *mut rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: client and list live through the call; the opaque pointer is the one given in `Client::new`, to
    // memory that outlives the client.
    unsafe {
        let rebalances = &(*opaque.cast::<Callbacks>()).rebalances;
        let assign = error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let lost = !assign && rd_kafka_assignment_lost(client) != 0;
        if let Some(partitions) = PartitionList::copy_of(partitions) {
            let rebalance = Rebalance { assign, lost, partitions };
            rebalances.lock().push_back(rebalance);
        }
        wake_consumer(client);
    }
}

/// The result of an offset commit.
#[derive(Debug)]
pub struct Commit {
    pub result: Result<(), Failure>,
    pub offsets: Option<PartitionList>,
}

impl Client {
    pub fn subscribe(&self, topics: &PartitionList) -> Result<(), Failure> {
        // SAFETY: client and list live through the call; the list is copied. The same holds below.
        Failure::check(unsafe { rd_kafka_subscribe(self.as_ptr(), topics.as_ptr()) })
    }

    /// Ends the subscription. It fails only without a group.
    pub fn unsubscribe(&self) {
        // SAFETY: the client lives.
        let _ = unsafe { rd_kafka_unsubscribe(self.as_ptr()) };
    }

    /// Replaces the whole assignment; none revokes it.
    pub fn assign(&self, partitions: Option<&PartitionList>) -> Result<(), Failure> {
        // SAFETY: as above.
        Failure::check(unsafe { rd_kafka_assign(self.as_ptr(), pointer(partitions)) })
    }

    /// Whether the group moves single partitions instead of whole assignments.
    pub fn is_cooperative(&self) -> bool {
        // SAFETY: the text is static.
        let protocol = unsafe {
            let protocol = rd_kafka_rebalance_protocol(self.as_ptr());
            if protocol.is_null() { c"" } else { CStr::from_ptr(protocol) }
        };
        protocol == c"COOPERATIVE"
    }

    pub fn assign_more(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: as above; the error is freed.
        unsafe { Failure::take(rd_kafka_incremental_assign(self.as_ptr(), partitions.as_ptr())) }
    }

    pub fn unassign(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: as above; the error is freed.
        unsafe { Failure::take(rd_kafka_incremental_unassign(self.as_ptr(), partitions.as_ptr())) }
    }

    pub fn assignment(&self) -> Result<Option<PartitionList>, Failure> {
        let mut list = ptr::null_mut();
        // SAFETY: the client lives; the list returned is taken over.
        unsafe {
            Failure::check(rd_kafka_assignment(self.as_ptr(), &mut list))?;
            Ok(PartitionList::own(list))
        }
    }

    pub fn pause(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: as above.
        Failure::check(unsafe { rd_kafka_pause_partitions(self.as_ptr(), partitions.as_ptr()) })?;
        each(partitions)
    }

    pub fn resume(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: as above.
        Failure::check(unsafe { rd_kafka_resume_partitions(self.as_ptr(), partitions.as_ptr()) })?;
        each(partitions)
    }

    pub fn seek(&self, partitions: &PartitionList, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: as above; the error is freed.
        unsafe { Failure::take(rd_kafka_seek_partitions(self.as_ptr(), partitions.as_ptr(), millis(timeout))) }?;
        each(partitions)
    }

    /// Fills in the offsets of the next records to be handed out.
    pub fn position(&self, partitions: &PartitionList) -> Result<(), Failure> {
        // SAFETY: as above.
        Failure::check(unsafe { rd_kafka_position(self.as_ptr(), partitions.as_ptr()) })
    }

    /// Fills in the group's offsets.
    pub fn committed(&self, partitions: &PartitionList, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: as above.
        Failure::check(unsafe { rd_kafka_committed(self.as_ptr(), partitions.as_ptr(), millis(timeout)) })?;
        each(partitions)
    }

    /// The first offset and the one after the last.
    pub fn watermarks(&self, topic: &str, partition: i32, timeout: Duration) -> Result<(i64, i64), Failure> {
        let (topic, mut low, mut high) = (c_text(topic), 0, 0);
        // SAFETY: all pointers live through the call.
        Failure::check(unsafe {
            let (low, high) = (&raw mut low, &raw mut high);
            rd_kafka_query_watermark_offsets(self.as_ptr(), topic.as_ptr(), partition, low, high, millis(timeout))
        })?;
        Ok((low, high))
    }

    /// Starts a commit; its result is an event on the queue.
    pub fn commit(&self, offsets: &PartitionList, answers: &Queue) -> Result<(), Failure> {
        // SAFETY: client, list and queue live through the call; without a callback the result is an event.
        Failure::check(unsafe {
            rd_kafka_commit_queue(self.as_ptr(), offsets.as_ptr(), answers.as_ptr(), None, ptr::null_mut())
        })
    }

    /// Leaves the group and stops fetching; rebalances during this are applied here.
    pub fn close_consumer(self: &Arc<Self>, timeout: Duration) -> Result<(), Failure> {
        self.stop_waiting_for_brokers();
        let Some(queue) = Queue::new(self) else { return Err(Failure::of(code::STATE)) };
        // SAFETY: client and queue live; the error is freed.
        unsafe { Failure::take(rd_kafka_consumer_close_queue(self.as_ptr(), queue.as_ptr())) }?;
        let deadline = Instant::now() + timeout;
        // SAFETY: the client lives.
        while unsafe { rd_kafka_consumer_closed(self.as_ptr()) } == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::new(code::TIMED_OUT, "the consumer did not leave its group in time"));
            }
            // The end of the closing wakes the queue.
            let event = queue.poll(left.min(Duration::from_millis(100)));
            if event.is_some_and(|event| event.kind() == RD_KAFKA_EVENT_REBALANCE) {
                self.assign(None)?;
            }
        }
        Ok(())
    }
}

/// The first failure among the entries.
fn each(partitions: &PartitionList) -> Result<(), Failure> {
    partitions.iter().try_for_each(|entry| entry.result)
}

impl Event<'_> {
    /// The result of a commit, if this event is one.
    pub fn commit(&self) -> Option<Commit> {
        if self.kind() != RD_KAFKA_EVENT_OFFSET_COMMIT {
            return None;
        }
        // SAFETY: the event lives and owns the list, which is copied.
        let offsets = unsafe { PartitionList::copy_of(rd_kafka_event_topic_partition_list(self.as_ptr())) };
        let result = self.result().and_then(|()| offsets.as_ref().map_or(Ok(()), each));
        Some(Commit { result, offsets })
    }
}
