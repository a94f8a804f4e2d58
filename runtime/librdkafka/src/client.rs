use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::bindings::{
    RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE, RD_KAFKA_EVENT_DR, RD_KAFKA_EVENT_OFFSET_COMMIT, rd_kafka_conf_destroy,
    rd_kafka_conf_enable_sasl_queue, rd_kafka_conf_new, rd_kafka_conf_res_t, rd_kafka_conf_set,
    rd_kafka_conf_set_events, rd_kafka_conf_set_log_cb, rd_kafka_conf_set_opaque, rd_kafka_conf_set_rebalance_cb,
    rd_kafka_conf_set_socket_cb, rd_kafka_conf_t, rd_kafka_destroy_flags, rd_kafka_fatal_error, rd_kafka_name,
    rd_kafka_new, rd_kafka_opaque, rd_kafka_sasl_background_callbacks_enable, rd_kafka_t, rd_kafka_type_t,
};
use tributary_api::{Error, Result};

use super::backoff::Backoff;
use super::consume::{Rebalance, on_rebalance};
use super::reconnect::{Reconnect, on_socket};
use super::{Failure, c_text, code, text};

/// One setting under librdkafka's name.
#[derive(Clone)]
pub struct Setting {
    /// librdkafka's name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The property name that the user has set.
    pub shown: String,
    /// Not to be shown in an error.
    pub secret: bool,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "***" } else { &self.value };
        write!(f, "{}={value}", self.name)
    }
}

/// A librdkafka client of any kind.
#[derive(Debug)]
pub struct Client {
    raw: NonNull<rd_kafka_t>,
    /// Boxed: C holds its address until the client is freed.
    callbacks: Box<Callbacks>,
}

/// What the functions that C calls work with.
#[derive(Debug)]
pub(super) struct Callbacks {
    /// Rebalances that the consumer's owner has not applied yet.
    pub(super) rebalances: Mutex<VecDeque<Rebalance>>,
    pub(super) reconnect: Arc<Reconnect>,
    pub(super) backoff: Backoff,
}

// SAFETY: librdkafka's clients may be used from any thread, by several at a time.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// A producer; its delivery reports come as events on the main queue.
    pub fn producer(settings: &[Setting]) -> Result<Arc<Self>> {
        Self::new(rd_kafka_type_t::RD_KAFKA_PRODUCER, settings, RD_KAFKA_EVENT_DR, false)
    }

    /// A consumer.
    pub fn consumer(settings: &[Setting]) -> Result<Arc<Self>> {
        Self::new(rd_kafka_type_t::RD_KAFKA_CONSUMER, settings, RD_KAFKA_EVENT_OFFSET_COMMIT, true)
    }

    /// Whether a client would take each of the settings. None is made.
    ///
    /// # Errors
    /// `Config`, of the first one that it would not.
    pub fn check(settings: &[Setting]) -> Result<()> {
        Conf::new(settings).map(drop)
    }

    /// A client for administration only.
    pub fn admin(settings: &[Setting]) -> Result<Arc<Self>> {
        Self::new(rd_kafka_type_t::RD_KAFKA_PRODUCER, settings, 0, false)
    }

    /// A client that reads a group's offsets and does not join it. A client without a group must not do that:
    /// librdkafka 2.12 aborts the process when the response is that the coordinator has moved
    /// (`rd_kafka_handle_OffsetFetch`).
    pub fn group_reader(settings: &[Setting], group: &str) -> Result<Arc<Self>> {
        let name = "group.id".to_owned();
        let group = Setting { shown: name.clone(), name, value: group.to_owned(), secret: false };
        let settings: Vec<_> = settings.iter().cloned().chain([group]).collect();
        Self::new(rd_kafka_type_t::RD_KAFKA_CONSUMER, &settings, 0, false)
    }

    fn new(kind: rd_kafka_type_t, settings: &[Setting], events: i32, has_rebalances: bool) -> Result<Arc<Self>> {
        let conf = Conf::new(settings)?;
        let callbacks = Box::new(Callbacks {
            rebalances: Mutex::default(),
            reconnect: Arc::new(Reconnect::new(settings)),
            backoff: Backoff::new(settings),
        });
        let mut message = [0 as c_char; 512];
        let oauth = settings.iter().any(|s| s.name == "sasl.mechanism" && s.value.eq_ignore_ascii_case("oauthbearer"));
        // SAFETY: the configuration lives; the opaque pointer is to memory that the client owns and frees last;
        // `rd_kafka_new` takes the configuration over when, and only when, it succeeds.
        let raw = unsafe {
            rd_kafka_conf_set_log_cb(conf.0, Some(on_log));
            rd_kafka_conf_set_events(conf.0, events);
            rd_kafka_conf_set_opaque(conf.0, (&raw const *callbacks).cast_mut().cast());
            rd_kafka_conf_set_socket_cb(conf.0, Some(on_socket));
            if has_rebalances {
                rd_kafka_conf_set_rebalance_cb(conf.0, Some(on_rebalance));
            }
            if oauth {
                rd_kafka_conf_enable_sasl_queue(conf.0, 1);
            }
            rd_kafka_new(kind, conf.0, message.as_mut_ptr(), message.len())
        };
        let Some(raw) = NonNull::new(raw) else {
            // SAFETY: librdkafka ends its messages with NUL.
            let message = unsafe { text(message.as_ptr()) };
            return Err(Error::config(format!("cannot make a kafka client: {message}")));
        };
        conf.taken_over();
        let client = Arc::new(Self { raw, callbacks });
        client.callbacks.reconnect.watch_over(&client);
        if oauth {
            // SAFETY: the client lives; the error is freed.
            unsafe { Failure::take(rd_kafka_sasl_background_callbacks_enable(client.as_ptr())) }?;
        }
        Ok(client)
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_t {
        self.raw.as_ptr()
    }

    /// The oldest rebalance not taken yet.
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        self.callbacks.rebalances.lock().pop_front()
    }

    /// Whether there is one not taken yet.
    pub fn has_rebalance(&self) -> bool {
        !self.callbacks.rebalances.lock().is_empty()
    }

    /// The client is being closed: its threads no longer wait before they try a broker.
    pub(super) fn stop_waiting_for_brokers(&self) {
        self.callbacks.backoff.close();
    }

    /// Whether the client has failed fatally.
    pub fn is_lost(&self) -> bool {
        // SAFETY: the client lives; no text is asked for.
        unsafe { rd_kafka_fatal_error(self.as_ptr(), std::ptr::null_mut(), 0) as i32 != code::NONE }
    }

    /// The cause of a [`code::FATAL`]; the failure itself otherwise.
    pub fn reason(&self, failure: Failure) -> Failure {
        if failure.code != code::FATAL {
            return failure;
        }
        let mut message = [0 as c_char; 512];
        // SAFETY: the client lives; the text is NUL-terminated within the buffer.
        let (code, message) = unsafe {
            let code = rd_kafka_fatal_error(self.as_ptr(), message.as_mut_ptr(), message.len()) as i32;
            (code, text(message.as_ptr()))
        };
        if code == code::NONE { failure } else { Failure { code, message, fatal: true, ..failure } }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop_waiting_for_brokers();
        // SAFETY: nothing made from the client is left: all of it holds an `Arc` of it. A consumer has left its
        // group before, or is not to wait for it here.
        unsafe { rd_kafka_destroy_flags(self.as_ptr(), RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) }
    }
}

/// A configuration that is not yet owned by a client.
struct Conf(*mut rd_kafka_conf_t);

impl Conf {
    fn new(settings: &[Setting]) -> Result<Self> {
        // SAFETY: makes a configuration that this value frees.
        let conf = Self(unsafe { rd_kafka_conf_new() });
        for setting in settings {
            conf.set(setting)?;
        }
        Ok(conf)
    }

    fn set(&self, setting: &Setting) -> Result<()> {
        let (name, value) = (c_text(&setting.name), c_text(&setting.value));
        let mut message = [0 as c_char; 512];
        // SAFETY: all pointers live through the call; the texts are copied.
        let result =
            unsafe { rd_kafka_conf_set(self.0, name.as_ptr(), value.as_ptr(), message.as_mut_ptr(), message.len()) };
        if result == rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        // SAFETY: librdkafka ends its messages with NUL.
        let reason =
            if setting.secret { "the value is not valid".to_owned() } else { unsafe { text(message.as_ptr()) } };
        Err(Error::config_at(&setting.shown, format!("cannot use {}: {reason}", setting.shown)))
    }

    fn taken_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: not taken over, freed once.
        unsafe { rd_kafka_conf_destroy(self.0) }
    }
}

/// syslog's levels.
const LOG_NOTICE: c_int = 5;
const LOG_DEBUG: c_int = 7;

/// Passes librdkafka's log lines to tracing. Whether an unreachable broker matters depends on the use, so only
/// librdkafka's own emergencies are errors here.
unsafe extern "C" fn on_log(client: *const rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: librdkafka passes a live client (or none) and NUL-terminated strings.
    let (name, facility, line) = unsafe {
        let name = if client.is_null() { c"" } else { CStr::from_ptr(rd_kafka_name(client)) };
        (name.to_string_lossy(), CStr::from_ptr(facility).to_string_lossy(), CStr::from_ptr(line).to_string_lossy())
    };
    // librdkafka logs this for each client with each attempt to connect, many times a second. The error of each broker
    // is logged separately.
    let all_are_down = line.ends_with("brokers are down");
    // A new cluster makes the topic of its transactions when the first producer asks for an id: it is asked again. A
    // producer that gets none fails with an error of its own.
    let is_asked_again = facility == "GETPID" && line.ends_with("retrying");
    let level = match level {
        _ if all_are_down => LOG_DEBUG,
        level if is_asked_again => level.max(LOG_NOTICE),
        level => level,
    };
    if all_are_down && !client.is_null() {
        // SAFETY: the client lives; its opaque pointer is the one given in `Client::new`, to memory that outlives it.
        let callbacks = unsafe { rd_kafka_opaque(client).cast::<Callbacks>().as_ref() };
        if let Some(callbacks) = callbacks {
            callbacks.reconnect.all_brokers_are_down();
        }
    }
    let log = || match level {
        ..=2 => tracing::error!(client = %name, %facility, "{line}"),
        3 | 4 => tracing::warn!(client = %name, %facility, "{line}"),
        5 => tracing::info!(client = %name, %facility, "{line}"),
        _ => tracing::debug!(client = %name, %facility, "{line}"),
    };
    // A subscriber that panics must not unwind into C.
    let _ = catch_unwind(AssertUnwindSafe(log));
}
