use std::ffi::CStr;
use std::fmt;

use rdkafka::bindings::{
    rd_kafka_err2name, rd_kafka_err2str, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_is_fatal,
    rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t, rd_kafka_error_txn_requires_abort,
    rd_kafka_resp_err_t,
};

use super::text;

/// The error codes that are handled specially; the numbers are Kafka's protocol errors and, below zero, librdkafka's.
pub mod code {
    pub const PURGE_QUEUE: i32 = -152;
    pub const PURGE_INFLIGHT: i32 = -151;
    pub const FENCED: i32 = -144;
    pub const FATAL: i32 = -150;
    pub const ASSIGNMENT_LOST: i32 = -142;
    pub const MAX_POLL_EXCEEDED: i32 = -147;
    pub const INCONSISTENT: i32 = -149;
    pub const NO_OFFSET: i32 = -168;
    /// No partition of a request has a leader known to the client, for example right after a topic's creation.
    pub const NO_ENTRY: i32 = -156;
    pub const STATE: i32 = -172;
    pub const QUEUE_FULL: i32 = -184;
    pub const TIMED_OUT: i32 = -185;
    pub const PARTITION_EOF: i32 = -191;
    pub const NONE: i32 = 0;
    pub const UNKNOWN_TOPIC_OR_PART: i32 = 3;
    pub const NO_LEADER: i32 = 5;
    pub const COORDINATOR_LOAD_IN_PROGRESS: i32 = 14;
    pub const COORDINATOR_NOT_AVAILABLE: i32 = 15;
    pub const NOT_COORDINATOR: i32 = 16;
    pub const TOPIC_ALREADY_EXISTS: i32 = 36;
    /// Also set by librdkafka itself when it concludes that a batch is a duplicate.
    pub const DUPLICATE_SEQUENCE: i32 = 46;
    pub const INVALID_PRODUCER_EPOCH: i32 = 47;
    pub const GROUP_ID_NOT_FOUND: i32 = 69;
    /// A request had an old leader epoch.
    pub const OLD_LEADER_EPOCH: i32 = 74;
    /// A request had a leader epoch that the broker does not know yet.
    pub const NEW_LEADER_EPOCH: i32 = 75;
    pub const PRODUCER_FENCED: i32 = 90;
    /// The other side does not speak a version of the protocol that the call needs.
    pub const UNSUPPORTED_FEATURE: i32 = -165;
    pub const UNSUPPORTED_VERSION: i32 = 35;
    pub const AUTHENTICATION: i32 = -169;
    pub const SSL: i32 = -181;
    pub const SASL_AUTHENTICATION_FAILED: i32 = 58;
    pub const TOPIC_AUTHORIZATION_FAILED: i32 = 29;
    pub const GROUP_AUTHORIZATION_FAILED: i32 = 30;
    pub const CLUSTER_AUTHORIZATION_FAILED: i32 = 31;
    pub const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i32 = 53;
}

/// An error of librdkafka.
#[derive(Clone)]
pub struct Failure {
    /// Kafka's or librdkafka's number.
    pub code: i32,
    /// The error's text.
    pub message: String,
    /// The client is no longer usable.
    pub fatal: bool,
    /// librdkafka has marked the call as retriable.
    pub retriable: bool,
    /// The transaction must be aborted.
    pub abort: bool,
}

impl Failure {
    /// A failure with only a code.
    #[cold]
    pub fn of(code: i32) -> Self {
        Self { code, message: describe(code), fatal: code == code::FATAL, retriable: false, abort: false }
    }

    /// A failure with its own text.
    #[cold]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::of(code) }
    }

    /// Nothing for zero, the failure otherwise.
    pub(super) fn check(error: rd_kafka_resp_err_t) -> Result<(), Self> {
        match error as i32 {
            code::NONE => Ok(()),
            code => Err(Self::of(code)),
        }
    }

    /// Takes ownership of a call's error object and frees it; null is success.
    ///
    /// # Safety
    /// The pointer is null or an error object that is not freed elsewhere.
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

    /// Reads an error object without taking ownership; null is success.
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}
