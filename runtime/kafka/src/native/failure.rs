use std::ffi::CStr;
use std::fmt;

use rdkafka::bindings::{
    rd_kafka_err2name, rd_kafka_err2str, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_fatal,
    rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t, rd_kafka_error_txn_requires_abort,
    rd_kafka_resp_err_t,
};

use super::text;

/// The codes that something is decided on; the numbers are Kafka's protocol errors and, below zero, librdkafka's.
pub(crate) mod code {
    pub(crate) const PURGE_QUEUE: i32 = -152;
    pub(crate) const PURGE_INFLIGHT: i32 = -151;
    pub(crate) const FENCED: i32 = -144;
    pub(crate) const FATAL: i32 = -150;
    pub(crate) const ASSIGNMENT_LOST: i32 = -142;
    pub(crate) const MAX_POLL_EXCEEDED: i32 = -147;
    pub(crate) const INCONSISTENT: i32 = -149;
    pub(crate) const NO_OFFSET: i32 = -168;
    /// No partition of a request has a leader that the client knows: so it is right after a topic's creation.
    pub(crate) const NO_ENTRY: i32 = -156;
    pub(crate) const STATE: i32 = -172;
    pub(crate) const QUEUE_FULL: i32 = -184;
    pub(crate) const TIMED_OUT: i32 = -185;
    pub(crate) const PARTITION_EOF: i32 = -191;
    pub(crate) const NONE: i32 = 0;
    pub(crate) const UNKNOWN_TOPIC_OR_PART: i32 = 3;
    pub(crate) const NO_LEADER: i32 = 5;
    pub(crate) const COORDINATOR_LOAD_IN_PROGRESS: i32 = 14;
    pub(crate) const COORDINATOR_NOT_AVAILABLE: i32 = 15;
    pub(crate) const NOT_COORDINATOR: i32 = 16;
    pub(crate) const TOPIC_ALREADY_EXISTS: i32 = 36;
    pub(crate) const INVALID_PRODUCER_EPOCH: i32 = 47;
    pub(crate) const GROUP_ID_NOT_FOUND: i32 = 69;
    pub(crate) const PRODUCER_FENCED: i32 = 90;
}

/// What librdkafka said went wrong.
#[derive(Clone)]
pub(crate) struct Failure {
    /// Kafka's or librdkafka's number.
    pub(crate) code: i32,
    /// What was said.
    pub(crate) message: String,
    /// The client is of no use any more.
    pub(crate) fatal: bool,
    /// librdkafka itself says that the call may be repeated.
    pub(crate) retriable: bool,
    /// The transaction must be aborted.
    pub(crate) abort: bool,
}

impl Failure {
    /// A failure known by its number only.
    #[cold]
    pub(crate) fn of(code: i32) -> Self {
        Self { code, message: describe(code), fatal: code == code::FATAL, retriable: false, abort: false }
    }

    /// A failure with a text of its own.
    #[cold]
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::of(code) }
    }

    /// Nothing for zero, the failure otherwise.
    pub(super) fn check(error: rd_kafka_resp_err_t) -> Result<(), Self> {
        match error as i32 {
            code::NONE => Ok(()),
            code => Err(Self::of(code)),
        }
    }

    /// Takes over and frees what a call returned; null is success.
    ///
    /// # Safety
    /// The pointer is null or an error object that nobody else frees.
    pub(super) unsafe fn take(error: *mut rd_kafka_error_t) -> Result<(), Self> {
        // SAFETY: as the caller promises; the object is not used after it is freed.
        unsafe {
            let result = Self::look(error);
            if !error.is_null() {
                rd_kafka_error_destroy(error);
            }
            result
        }
    }

    /// Reads an error object that somebody else owns; null is success.
    ///
    /// # Safety
    /// The pointer is null or a live error object.
    pub(super) unsafe fn look(error: *const rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe {
            let code = rd_kafka_error_code(error) as i32;
            if code == code::NONE {
                return Ok(());
            }
            Err(Self {
                code,
                message: text(rd_kafka_error_string(error)),
                fatal: rd_kafka_error_is_fatal(error) != 0,
                retriable: rd_kafka_error_is_retriable(error) != 0,
                abort: rd_kafka_error_txn_requires_abort(error) != 0,
            })
        }
    }
}

/// librdkafka's name and text for a number; brokers may send numbers that this version does not know.
fn describe(code: i32) -> String {
    let Ok(known) = rd_kafka_resp_err_t::try_from(code) else {
        return format!("kafka error {code}");
    };
    // SAFETY: both functions take any known code and return static text.
    let (name, description) =
        unsafe { (CStr::from_ptr(rd_kafka_err2name(known)), CStr::from_ptr(rd_kafka_err2str(known))) };
    format!("{} ({})", description.to_string_lossy(), name.to_string_lossy().trim_start_matches('_'))
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}
