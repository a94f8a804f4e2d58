use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use rdkafka::bindings::{
    rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_error_string, rd_kafka_event_t, rd_kafka_event_type,
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_get_consumer, rd_kafka_queue_get_main,
    rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_queue_yield, rd_kafka_t,
};

use super::{Client, Failure, code, millis, text};

/// A queue of events.
#[derive(Debug)]
pub struct Queue {
    raw: NonNull<rd_kafka_queue_t>,
    /// Notified when the queue is no longer empty. C holds its address until the queue is released.
    signal: OnceLock<Arc<Notify>>,
    /// Freed after the queue.
    _client: Arc<Client>,
}

// SAFETY: librdkafka locks its queues.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// The queue of delivery reports of a producer.
    pub fn main(client: &Arc<Client>) -> Option<Self> {
        // SAFETY: the client lives; the reference taken is given back on drop.
        Self::own(client, unsafe { rd_kafka_queue_get_main(client.as_ptr()) })
    }

    /// The queue of records and rebalances of a consumer.
    pub fn consumer(client: &Arc<Client>) -> Option<Self> {
        // SAFETY: as above.
        Self::own(client, unsafe { rd_kafka_queue_get_consumer(client.as_ptr()) })
    }

    /// A new queue, for the results of one or more requests.
    pub fn new(client: &Arc<Client>) -> Option<Self> {
        // SAFETY: as above.
        Self::own(client, unsafe { rd_kafka_queue_new(client.as_ptr()) })
    }

    fn own(client: &Arc<Client>, raw: *mut rd_kafka_queue_t) -> Option<Self> {
        Some(Self { raw: NonNull::new(raw)?, signal: OnceLock::new(), _client: Arc::clone(client) })
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_queue_t {
        self.raw.as_ptr()
    }

    /// The next event; none after the timeout or when woken.
    pub fn poll(&self, timeout: Duration) -> Option<Event<'_>> {
        // SAFETY: the queue lives; the event is freed by its owner.
        let raw = unsafe { rd_kafka_queue_poll(self.as_ptr(), millis(timeout)) };
        Some(Event { raw: NonNull::new(raw)?, _queue: self })
    }

    /// From now on notifies whenever an event is added to the empty queue. Existing events cause no notification.
    pub fn signal_events(&self, signal: &Arc<Notify>) {
        let known = self.signal.get_or_init(|| Arc::clone(signal));
        // SAFETY: the queue lives; the address is that of a value this queue keeps until it has taken it back.
        unsafe {
            let opaque = Arc::as_ptr(known).cast_mut().cast::<c_void>();
            rd_kafka_queue_cb_event_enable(self.as_ptr(), Some(on_event), opaque);
        }
    }

    /// Ends the current wait on this queue, or the next one.
    pub fn wake(&self) {
        // SAFETY: the queue lives; it may be woken from any thread.
        unsafe { rd_kafka_queue_yield(self.as_ptr()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: one reference taken, one given back, while the client still lives. The callback runs under the queue's
        // lock, which taking it back takes as well: none is under way afterwards.
        unsafe {
            if self.signal.get().is_some() {
                rd_kafka_queue_cb_event_enable(self.as_ptr(), None, ptr::null_mut());
            }
            rd_kafka_queue_destroy(self.as_ptr());
        }
    }
}

/// An event has come into an empty queue. Called on a thread of librdkafka's that holds the queue's lock: it only notifies.
unsafe extern "C" fn on_event(_client: *mut rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: the address given in `Queue::signal_events`, of a value that lives until the callback is taken back.
    let signal = unsafe { &*opaque.cast::<Notify>() };
    signal.notify_one();
}

/// Ends the wait for records from any thread. A wake without a waiter is kept for the next wait.
#[derive(Clone, Debug)]
pub struct Waker {
    queue: Arc<Queue>,
    /// For waiting without a thread.
    signal: Arc<Notify>,
    /// The queue itself discards a wake at the next poll, even at one that does not wait.
    woken: Arc<AtomicBool>,
}

impl Waker {
    pub fn new(queue: &Arc<Queue>) -> Self {
        Self { queue: Arc::clone(queue), signal: Arc::default(), woken: Arc::default() }
    }

    /// Notified by each wake.
    pub fn signal(&self) -> &Arc<Notify> {
        &self.signal
    }

    pub fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        self.queue.wake();
        self.signal.notify_one();
    }

    /// Whether there was a wake since the last call.
    pub fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

/// Ends a wait from inside a callback of C.
///
/// # Safety
/// The client is a live consumer.
pub(super) unsafe fn wake_consumer(client: *mut rd_kafka_t) {
    // SAFETY: as the caller promises; the reference taken is given back.
    unsafe {
        let queue = rd_kafka_queue_get_consumer(client);
        if !queue.is_null() {
            rd_kafka_queue_yield(queue);
            rd_kafka_queue_destroy(queue);
        }
    }
}

/// Something that happened, freed when dropped.
#[derive(Debug)]
pub struct Event<'a> {
    raw: NonNull<rd_kafka_event_t>,
    _queue: &'a Queue,
}

impl Event<'_> {
    pub(super) fn as_ptr(&self) -> *mut rd_kafka_event_t {
        self.raw.as_ptr()
    }

    /// Which kind it is: one of `RD_KAFKA_EVENT_*`.
    pub(super) fn kind(&self) -> i32 {
        // SAFETY: the event lives.
        unsafe { rd_kafka_event_type(self.as_ptr()) }
    }

    /// Whether the request as a whole failed.
    pub(super) fn result(&self) -> Result<(), Failure> {
        // SAFETY: the event lives, and so does the text within it.
        unsafe {
            match rd_kafka_event_error(self.as_ptr()) as i32 {
                code::NONE => Ok(()),
                code => Err(Failure::new(code, text(rd_kafka_event_error_string(self.as_ptr())))),
            }
        }
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd_kafka_event_destroy(self.as_ptr()) }
    }
}
