use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;
use std::slice;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_message_destroy,
    rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_timestamp_type_t,
    rd_kafka_topic_name,
};
use tributary_api::TimestampType;

use super::{Queue, code, millis};

/// The maximum of pointers reserved at once, because the requested maximum may be any number.
const ROOM: usize = 20_000;

/// Records fetched in one call. The memory of the list is reused.
#[derive(Debug, Default)]
pub struct Fetched(Vec<*mut rd_kafka_message_t>);

// SAFETY: the messages are owned, and may be read and freed on any thread.
unsafe impl Send for Fetched {}

impl Fetched {
    /// Adds available records, up to `max` in total. Rebalances met meanwhile are stored in the consumer.
    pub fn take(&mut self, queue: &Queue, max: usize) {
        self.poll(queue, max, Duration::ZERO);
    }

    /// Waits for the first record and adds all available ones, up to `max` in total. A rebalance ends the wait.
    pub fn wait(&mut self, queue: &Queue, max: usize, timeout: Duration) {
        self.poll(queue, 1, timeout);
        if !self.0.is_empty() {
            self.take(queue, max);
        }
    }

    fn poll(&mut self, queue: &Queue, max: usize, timeout: Duration) {
        let room = max.saturating_sub(self.0.len()).min(ROOM);
        self.0.reserve(room);
        let spare = self.0.spare_capacity_mut();
        // SAFETY: there is space for `room` pointers after the ones in use, and as many as returned are written.
        unsafe {
            let count = rd_kafka_consume_batch_queue(queue.as_ptr(), millis(timeout), spare.as_mut_ptr().cast(), room);
            self.0.set_len(self.0.len() + usize::try_from(count).unwrap_or_default());
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.0.iter().map(|&raw| Message { raw, _fetched: PhantomData })
    }

    /// Frees the records.
    pub fn clear(&mut self) {
        for raw in self.0.drain(..) {
            // SAFETY: owned, freed once.
            unsafe { rd_kafka_message_destroy(raw) }
        }
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One record, or an error in its place.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    raw: *mut rd_kafka_message_t,
    _fetched: PhantomData<&'a Fetched>,
}

impl<'a> Message<'a> {
    /// Identifies the topic among messages fetched together only.
    #[inline]
    pub fn topic_address(&self) -> usize {
        // SAFETY: the message lives.
        unsafe { (*self.raw).rkt as usize }
    }

    /// Empty for an error that concerns no topic.
    #[inline]
    pub fn topic(&self) -> &'a str {
        // SAFETY: the message keeps its topic alive.
        unsafe {
            if (*self.raw).rkt.is_null() {
                return "";
            }
            CStr::from_ptr(rd_kafka_topic_name((*self.raw).rkt)).to_str().unwrap_or_default()
        }
    }

    #[inline]
    pub fn partition(&self) -> i32 {
        // SAFETY: the message lives.
        unsafe { (*self.raw).partition }
    }

    #[inline]
    pub fn offset(&self) -> i64 {
        // SAFETY: the message lives.
        unsafe { (*self.raw).offset }
    }

    /// Zero for a record.
    #[inline]
    pub fn code(&self) -> i32 {
        // SAFETY: the message lives. The code is read as the number it is: a newer broker may send one that the
        // enumeration does not have.
        unsafe { (&raw const (*self.raw).err).cast::<i32>().read() }
    }

    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: the message owns its key.
        unsafe { bytes((*self.raw).key.cast_const().cast(), (*self.raw).key_len) }
    }

    /// The value of a record, the text of an error.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: the message owns its payload.
        unsafe { bytes((*self.raw).payload.cast_const().cast(), (*self.raw).len) }
    }

    /// Milliseconds since the epoch.
    #[inline]
    pub fn timestamp(&self) -> (Option<i64>, TimestampType) {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message lives.
        let millis = unsafe { rd_kafka_message_timestamp(self.raw, &mut kind) };
        match kind {
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => (Some(millis), TimestampType::CreateTime),
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
                (Some(millis), TimestampType::LogAppendTime)
            }
            rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => (None, TimestampType::None),
        }
    }

    /// The headers, in order.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        let mut list = ptr::null_mut();
        // SAFETY: the message lives and owns its headers, which are parsed at the first call.
        let result = unsafe { rd_kafka_message_headers(self.raw, &mut list) } as i32;
        Headers { list: if result == code::NONE { list } else { ptr::null_mut() }, next: 0, _message: PhantomData }
    }
}

/// Iterates over the headers of a message.
#[derive(Debug)]
pub struct Headers<'a> {
    list: *mut rd_kafka_headers_t,
    next: usize,
    _message: PhantomData<&'a Fetched>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.list.is_null() {
            return None;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list lives as long as its message; name and value point into it.
        unsafe {
            let result = rd_kafka_header_get_all(self.list, self.next, &mut name, &mut value, &mut size) as i32;
            if result != code::NONE {
                return None;
            }
            self.next += 1;
            Some((CStr::from_ptr(name).to_bytes(), bytes(value.cast(), size)))
        }
    }
}

/// # Safety
/// The pointer is null or to `length` bytes that live for `'a`.
#[inline]
unsafe fn bytes<'a>(pointer: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    if pointer.is_null() { None } else { Some(unsafe { slice::from_raw_parts(pointer, length) }) }
}
