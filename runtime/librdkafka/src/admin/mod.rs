//! Administrative requests. All of them block until the response or a timeout.

mod groups;
mod offsets;
mod topics;

use std::ffi::c_char;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::*;

use super::{Client, Event, Failure, Queue, code, millis};

pub use self::groups::GroupOffsets;
pub use self::offsets::ListedOffset;
pub use self::topics::TopicCreation;

/// The result for each topic or group of a request.
pub type Outcomes = Vec<(String, Result<(), Failure>)>;

/// How long to wait for a result after librdkafka's own timeout.
const GRACE: Duration = Duration::from_secs(5);

impl Client {
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
            // The broker responds when it is done, not when it has begun. SAFETY: as above.
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

/// # Safety
/// The function returns null or a pointer to as many live entries as it counts.
unsafe fn array<'a, T>(get: impl FnOnce(*mut usize) -> *mut *const T) -> &'a [*const T] {
    let mut count = 0;
    let entries = get(&mut count);
    // SAFETY: as the caller promises.
    if entries.is_null() || count == 0 { &[] } else { unsafe { slice::from_raw_parts(entries, count) } }
}
