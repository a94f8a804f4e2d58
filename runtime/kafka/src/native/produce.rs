use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    RD_KAFKA_EVENT_DR, RD_KAFKA_MSG_F_COPY, RD_KAFKA_PURGE_F_INFLIGHT, RD_KAFKA_PURGE_F_NON_BLOCKING,
    RD_KAFKA_PURGE_F_QUEUE, rd_kafka_event_message_array, rd_kafka_flush, rd_kafka_header_add,
    rd_kafka_headers_destroy, rd_kafka_headers_new, rd_kafka_headers_t, rd_kafka_message_t, rd_kafka_outq_len,
    rd_kafka_produceva, rd_kafka_purge, rd_kafka_topic_destroy, rd_kafka_topic_new, rd_kafka_topic_t,
    rd_kafka_vtype_t as Kind, rd_kafka_vu_s__bindgen_ty_1 as Slot, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory,
    rd_kafka_vu_t,
};

use super::{Client, Event, Failure, c_text, code, millis};
use crate::ProducerRecord;

/// A topic as a producer knows it.
pub(crate) struct TopicHandle {
    raw: NonNull<rd_kafka_topic_t>,
    client: Arc<Client>,
}

// SAFETY: librdkafka counts and locks its topics.
unsafe impl Send for TopicHandle {}
// SAFETY: as above.
unsafe impl Sync for TopicHandle {}

impl TopicHandle {
    /// Looks the topic up once, so that a record costs no search by name within librdkafka.
    pub(crate) fn new(client: &Arc<Client>, name: &str) -> Result<Self, Failure> {
        let name = c_text(name);
        // SAFETY: the client and the name live; without a configuration the client's own is used.
        let raw = unsafe { rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        let raw = NonNull::new(raw).ok_or_else(|| Failure::new(code::UNKNOWN_TOPIC_OR_PART, "invalid topic name"))?;
        Ok(Self { raw, client: Arc::clone(client) })
    }

    /// Hands one record over; its bytes are copied.
    pub(crate) fn produce(&self, record: &ProducerRecord<'_>, token: u64) -> Result<(), Failure> {
        let headers = Headers::new(record.headers)?;
        let mut fields = [
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
        let mut count = fields.len() - 1;
        if let Some(headers) = &headers {
            fields[count] = field(Kind::RD_KAFKA_VTYPE_HEADERS, Slot { headers: headers.0 });
            count += 1;
        }
        // SAFETY: every pointer lives through the call, key and value are copied in it, the token is a number and
        // never followed; headers are taken over when, and only when, the call succeeds.
        unsafe { Failure::take(rd_kafka_produceva(self.client.as_ptr(), fields.as_ptr(), count)) }?;
        if let Some(headers) = headers {
            headers.taken_over();
        }
        Ok(())
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: one reference taken, one given back, while the client still lives.
        unsafe { rd_kafka_topic_destroy(self.raw.as_ptr()) }
    }
}

/// The partitioner chooses (a macro in C, hence not among the bindings).
const UNASSIGNED: i32 = -1;

fn field(vtype: Kind, u: Slot) -> rd_kafka_vu_t {
    rd_kafka_vu_t { vtype, u }
}

fn memory(bytes: Option<&[u8]>) -> Slot {
    // An empty slice has a pointer, an absent one has none: that is how C tells them apart.
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

/// The end of one record's way.
pub(crate) struct Report {
    pub(crate) token: u64,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) code: i32,
}

impl Event<'_> {
    /// The next delivery reports of this event, at most as many as fit in one go; none when there are no more.
    pub(crate) fn reports(&self, reports: &mut Vec<Report>) -> usize {
        if self.kind() != RD_KAFKA_EVENT_DR {
            return 0;
        }
        let mut messages = [ptr::null::<rd_kafka_message_t>(); 256];
        // SAFETY: the event lives and keeps its messages alive.
        let count = unsafe { rd_kafka_event_message_array(self.as_ptr(), messages.as_mut_ptr(), messages.len()) };
        reports.extend(messages[..count].iter().map(|&message| {
            // SAFETY: a live message of this event. The code is read as the number it is: a newer broker may send
            // one that the enumeration does not have.
            unsafe {
                Report {
                    token: (*message)._private as u64,
                    partition: (*message).partition,
                    offset: (*message).offset,
                    code: (&raw const (*message).err).cast::<i32>().read(),
                }
            }
        }));
        count
    }
}

impl Client {
    /// Records taken but not yet reported, plus events not yet served.
    pub(crate) fn in_flight(&self) -> usize {
        // SAFETY: the client lives.
        usize::try_from(unsafe { rd_kafka_outq_len(self.as_ptr()) }).unwrap_or_default()
    }

    /// Waits until everything is reported; another thread must serve the reports.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), Failure> {
        // SAFETY: the client lives.
        Failure::check(unsafe { rd_kafka_flush(self.as_ptr(), millis(timeout)) })
    }

    /// Gives up all records: those waiting, and those whose request is under way.
    pub(crate) fn purge(&self) {
        let flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client lives; with these flags the call cannot fail.
        unsafe { rd_kafka_purge(self.as_ptr(), flags) };
    }
}
