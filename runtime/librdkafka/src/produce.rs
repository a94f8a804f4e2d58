use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    RD_KAFKA_EVENT_DR, RD_KAFKA_MSG_F_COPY, RD_KAFKA_PURGE_F_INFLIGHT, RD_KAFKA_PURGE_F_NON_BLOCKING,
    RD_KAFKA_PURGE_F_QUEUE, rd_kafka_event_message_array, rd_kafka_event_message_count, rd_kafka_flush,
    rd_kafka_header_add, rd_kafka_headers_copy, rd_kafka_headers_destroy, rd_kafka_headers_new, rd_kafka_headers_t,
    rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_outq_len, rd_kafka_produceva,
    rd_kafka_purge, rd_kafka_timestamp_type_t, rd_kafka_topic_destroy, rd_kafka_topic_new, rd_kafka_topic_t,
    rd_kafka_vtype_t as Kind, rd_kafka_vu_s__bindgen_ty_1 as Slot, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory,
    rd_kafka_vu_t,
};

use super::{Client, Event, Failure, c_text, code, millis};

/// A record to send; everything is borrowed and copied by [`TopicHandle::produce`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ProducerRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; Java's partitioning by key without one.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Milliseconds since the epoch; the time of sending without one.
    pub timestamp: Option<i64>,
}

/// A producer's handle of a topic.
#[derive(Debug)]
pub struct TopicHandle {
    raw: NonNull<rd_kafka_topic_t>,
    client: Arc<Client>,
}

// SAFETY: librdkafka counts and locks its topics.
unsafe impl Send for TopicHandle {}
// SAFETY: as above.
unsafe impl Sync for TopicHandle {}

impl TopicHandle {
    /// Looks the topic up once, so that librdkafka does not search it by name for each record.
    pub fn new(client: &Arc<Client>, name: &str) -> Result<Self, Failure> {
        let name = c_text(name);
        // SAFETY: the client and the name live; without a configuration the client's own is used.
        let raw = unsafe { rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        let raw = NonNull::new(raw).ok_or_else(|| Failure::new(code::UNKNOWN_TOPIC_OR_PART, "invalid topic name"))?;
        Ok(Self { raw, client: Arc::clone(client) })
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_topic_t {
        self.raw.as_ptr()
    }

    /// Queues one record; its bytes are copied.
    #[inline]
    pub fn produce(&self, record: &ProducerRecord<'_>, token: u64) -> Result<(), Failure> {
        let headers = Headers::new(record.headers)?;
        let fields = [
            field(Kind::RD_KAFKA_VTYPE_RKT, Slot { rkt: self.raw.as_ptr() }),
            field(Kind::RD_KAFKA_VTYPE_PARTITION, Slot { i32_: record.partition.unwrap_or(UNASSIGNED) }),
            field(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Slot { i: RD_KAFKA_MSG_F_COPY }),
            field(Kind::RD_KAFKA_VTYPE_VALUE, memory(record.value)),
            field(Kind::RD_KAFKA_VTYPE_KEY, memory(record.key)),
            field(Kind::RD_KAFKA_VTYPE_OPAQUE, Slot { ptr: token as *mut c_void }),
            // Zero is "now".
            field(Kind::RD_KAFKA_VTYPE_TIMESTAMP, Slot { i64_: record.timestamp.unwrap_or(0) }),
            field(Kind::RD_KAFKA_VTYPE_END, Slot { i: 0 }),
        ];
        // SAFETY: every pointer lives through the call, and the topic is one of this client's.
        unsafe { submit(&self.client, fields, headers) }
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: one reference taken, one given back, while the client still lives.
        unsafe { rd_kafka_topic_destroy(self.raw.as_ptr()) }
    }
}

/// Hands a record over. The last of the fields is free for its headers.
///
/// # Safety
/// The topic is one of the client's; key and value live through the call, which copies them.
#[inline]
unsafe fn submit(client: &Client, mut fields: [rd_kafka_vu_t; 8], headers: Option<Headers>) -> Result<(), Failure> {
    let mut count = fields.len() - 1;
    if let Some(headers) = &headers {
        fields[count] = field(Kind::RD_KAFKA_VTYPE_HEADERS, Slot { headers: headers.0 });
        count += 1;
    }
    // SAFETY: as the caller promises. The token is a number and never followed; headers are taken over when, and only when,
    // the call succeeds.
    unsafe { Failure::take(rd_kafka_produceva(client.as_ptr(), fields.as_ptr(), count)) }?;
    if let Some(headers) = headers {
        headers.taken_over();
    }
    Ok(())
}

/// The partitioner chooses (a macro in C, hence not among the bindings).
const UNASSIGNED: i32 = -1;

#[inline]
fn field(vtype: Kind, u: Slot) -> rd_kafka_vu_t {
    rd_kafka_vu_t { vtype, u }
}

#[inline]
fn memory(bytes: Option<&[u8]>) -> Slot {
    // An empty slice has a pointer, an absent one has none: C distinguishes them by that.
    let (ptr, size) = bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
    Slot { mem: Memory { ptr: ptr.cast_mut().cast(), size } }
}

struct Headers(*mut rd_kafka_headers_t);

impl Headers {
    fn new(headers: &[(&str, Option<&[u8]>)]) -> Result<Option<Self>, Failure> {
        if headers.is_empty() {
            return Ok(None);
        }
        // SAFETY: makes a list that this value frees.
        let list = Self(unsafe { rd_kafka_headers_new(headers.len()) });
        for (name, value) in headers {
            let (value, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            // SAFETY: name and value live through the call and are copied; slices are no longer than `isize::MAX`.
            let result = unsafe {
                rd_kafka_header_add(list.0, name.as_ptr().cast(), name.len() as isize, value.cast(), size as isize)
            };
            Failure::check(result)?;
        }
        Ok(Some(list))
    }

    fn taken_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: not taken over, freed once.
        unsafe { rd_kafka_headers_destroy(self.0) }
    }
}

/// The delivery report of one record.
#[derive(Debug)]
pub struct Report<'a> {
    pub token: u64,
    pub partition: i32,
    /// Negative when no broker returned it: without acknowledgements, and with idempotence when librdkafka concludes
    /// from later acknowledgements that the record was written, or a broker reports a duplicate. Of a batch only the
    /// first record's is certain to be: librdkafka counts up from there, past zero in a long one.
    pub offset: i64,
    pub code: i32,
    message: *const rd_kafka_message_t,
    _event: PhantomData<&'a ()>,
}

impl Event<'_> {
    /// The delivery reports of this event, which are those of one batch. To be called once: librdkafka returns each
    /// report once.
    pub fn reports(&self) -> Vec<Report<'_>> {
        if self.kind() != RD_KAFKA_EVENT_DR {
            return Vec::new();
        }
        // SAFETY: the event lives.
        let mut reports = Vec::with_capacity(unsafe { rd_kafka_event_message_count(self.as_ptr()) });
        let mut messages = [ptr::null::<rd_kafka_message_t>(); 256];
        loop {
            // SAFETY: the event lives and keeps its messages alive.
            let count = unsafe { rd_kafka_event_message_array(self.as_ptr(), messages.as_mut_ptr(), messages.len()) };
            if count == 0 {
                return reports;
            }
            reports.extend(messages[..count].iter().map(|&message| {
                // SAFETY: a live message of this event. The code is read as the number it is: a newer broker may send
                // one that the enumeration does not have.
                unsafe {
                    Report {
                        token: (*message)._private as u64,
                        partition: (*message).partition,
                        offset: (*message).offset,
                        code: (&raw const (*message).err).cast::<i32>().read(),
                        message,
                        _event: PhantomData,
                    }
                }
            }));
        }
    }
}

impl Report<'_> {
    /// Hands the record over once more, as it was, to the partition that was chosen for it.
    ///
    /// # Errors
    /// It was not taken, and will not be reported again.
    #[cold]
    pub fn send_again(&self, client: &Client) -> Result<(), Failure> {
        let (message, mut list) = (self.message, ptr::null_mut());
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the event, which outlives this report, keeps the message alive with its topic, key, value and headers; what
        // is taken over is a copy of the headers.
        unsafe {
            let found = rd_kafka_message_headers(message, &mut list) as i32 == code::NONE;
            let headers = found.then(|| Headers(rd_kafka_headers_copy(list)));
            let bytes = |pointer: *mut c_void, size| Slot { mem: Memory { ptr: pointer, size } };
            let fields = [
                field(Kind::RD_KAFKA_VTYPE_RKT, Slot { rkt: (*message).rkt }),
                field(Kind::RD_KAFKA_VTYPE_PARTITION, Slot { i32_: self.partition }),
                field(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Slot { i: RD_KAFKA_MSG_F_COPY }),
                field(Kind::RD_KAFKA_VTYPE_VALUE, bytes((*message).payload, (*message).len)),
                field(Kind::RD_KAFKA_VTYPE_KEY, bytes((*message).key, (*message).key_len)),
                field(Kind::RD_KAFKA_VTYPE_OPAQUE, Slot { ptr: (*message)._private }),
                field(
                    Kind::RD_KAFKA_VTYPE_TIMESTAMP,
                    Slot { i64_: rd_kafka_message_timestamp(message, &mut kind).max(0) },
                ),
                field(Kind::RD_KAFKA_VTYPE_END, Slot { i: 0 }),
            ];
            submit(client, fields, headers)
        }
    }
}

impl Client {
    /// Records queued but not yet reported, plus events not yet served.
    pub fn in_flight(&self) -> usize {
        // SAFETY: the client lives.
        usize::try_from(unsafe { rd_kafka_outq_len(self.as_ptr()) }).unwrap_or_default()
    }

    /// Waits until everything is reported; another thread must serve the reports.
    pub fn flush(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives.
        Failure::check(unsafe { rd_kafka_flush(self.as_ptr(), millis(timeout)) })
    }

    /// Abandons all records: those waiting, and those whose request is in progress.
    pub fn purge(&self) {
        let flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client lives; with these flags the call cannot fail.
        unsafe { rd_kafka_purge(self.as_ptr(), flags) };
    }
}
