//! Connects clients again that librdkafka has left without a broker.
//!
//! A broker that has just come back may answer a metadata request with topics and without brokers. librdkafka 2.12 then
//! forgets all its brokers, and the response also ends the timer that would connect to the bootstrap servers again
//! (<https://github.com/confluentinc/librdkafka/issues/5301>): such a client never tries another connection. So when
//! a client reports that all its brokers are down and tries none of them afterwards, it is given the bootstrap servers
//! once more.

use std::ffi::{c_int, c_void};
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use rdkafka::bindings::rd_kafka_brokers_add;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use super::client::Callbacks;
use super::{Client, Setting, c_text};

/// Shortest time without an attempt to connect after which a client counts as left without a broker.
const MIN_QUIET: Duration = Duration::from_secs(2);
/// librdkafka's default of `reconnect.backoff.max.ms`.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// What a client has reported of its connections.
#[derive(Debug)]
pub(super) struct Reconnect {
    /// How often it has tried to connect.
    attempts: AtomicU64,
    /// How often it has reported that all its brokers are down.
    losses: AtomicU64,
    /// Whether somebody waits to see if it tries to connect.
    is_watched: AtomicBool,
    client: OnceLock<Weak<Client>>,
    bootstrap_servers: String,
    quiet: Duration,
    /// Where the wait takes place; none for a client that was made outside of a runtime, which is not watched.
    runtime: Option<Handle>,
}

impl Reconnect {
    pub(super) fn new(settings: &[Setting]) -> Self {
        let value = |name: &str| settings.iter().rfind(|setting| setting.name == name).map(|setting| &setting.value);
        let backoff = value("reconnect.backoff.max.ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
        Self {
            attempts: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            is_watched: AtomicBool::new(false),
            client: OnceLock::new(),
            bootstrap_servers: value("bootstrap.servers").cloned().unwrap_or_default(),
            // librdkafka adds up to half of the back-off.
            quiet: (backoff.unwrap_or(MAX_BACKOFF) * 2).max(MIN_QUIET),
            runtime: Handle::try_current().ok(),
        }
    }

    /// The client that is given the bootstrap servers.
    pub(super) fn watch_over(&self, client: &Arc<Client>) {
        let _ = self.client.set(Arc::downgrade(client));
    }

    /// Called on librdkafka's threads, which hold locks: the client must not be used here.
    pub(super) fn all_brokers_are_down(self: &Arc<Self>) {
        self.losses.fetch_add(1, Ordering::SeqCst);
        let Some(runtime) = &self.runtime else { return };
        if !self.is_watched.swap(true, Ordering::SeqCst) {
            runtime.spawn(watch(Arc::clone(self)));
        }
    }

    fn seen(&self) -> (u64, u64) {
        (self.losses.load(Ordering::SeqCst), self.attempts.load(Ordering::SeqCst))
    }
}

/// Until no new loss was reported for a while.
async fn watch(reconnect: Arc<Reconnect>) {
    loop {
        let (losses, attempts) = reconnect.seen();
        tokio::time::sleep(reconnect.quiet).await;
        if reconnect.seen().1 == attempts {
            let reconnect = Arc::clone(&reconnect);
            // Dropping the last reference to a client waits for its threads.
            let _ = tokio::task::spawn_blocking(move || connect_again(&reconnect)).await;
        }
        if reconnect.seen().0 != losses {
            continue;
        }
        reconnect.is_watched.store(false, Ordering::SeqCst);
        // A loss that was reported in between has found the client still watched.
        if reconnect.seen().0 == losses || reconnect.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

fn connect_again(reconnect: &Reconnect) {
    let Some(client) = reconnect.client.get().and_then(Weak::upgrade) else { return };
    tracing::debug!(
        servers = reconnect.bootstrap_servers,
        "all brokers were lost, the bootstrap servers are tried again"
    );
    let servers = c_text(&reconnect.bootstrap_servers);
    // SAFETY: the client lives; the text is copied.
    unsafe { rd_kafka_brokers_add(client.as_ptr(), servers.as_ptr()) };
}

/// Makes the socket of a connection, as librdkafka would, when its back-off is over, and counts it. Called on the broker's
/// own thread.
pub(super) unsafe extern "C" fn on_socket(domain: c_int, kind: c_int, protocol: c_int, opaque: *mut c_void) -> c_int {
    // SAFETY: the pointer given in `Client::new`, to memory that outlives the client.
    let callbacks = unsafe { &*opaque.cast::<Callbacks>() };
    callbacks.backoff.wait();
    callbacks.reconnect.attempts.fetch_add(1, Ordering::SeqCst);
    let socket = Socket::new(Domain::from(domain), Type::from(kind), Some(Protocol::from(protocol)));
    socket.map_or(-1, IntoRawFd::into_raw_fd)
}
