use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use parking_lot::RwLock;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use crate::BoxError;
use crate::address::AddressLimits;
use crate::body::RequestBody;
use crate::connection::{Connection, protocol};
use crate::connections::Connections;
use crate::deadlines::Deadlines;
use crate::peer::Peer;
use crate::socket;
use crate::throttle::Throttle;
use crate::tls::Tls;

/// The first and the maximum wait after a failed accept.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The minimum interval of log lines about connections.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How often a listener without TLS is checked for new TLS settings.
const LOOK_FOR_TLS: Duration = Duration::from_secs(10);

/// How to listen.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Its name in the log.
    pub name: &'static str,
    /// The limit of its connections.
    pub connections: Connections,
    /// The limits for each client.
    pub addresses: AddressLimits,
    /// The deadlines for clients.
    pub deadlines: Deadlines,
    /// HTTPS instead of HTTP.
    pub tls: Option<Tls>,
}

impl ListenerOptions {
    /// HTTP with the usual deadlines.
    pub fn new(name: &'static str, connections: Connections) -> Self {
        let (addresses, deadlines) = (AddressLimits::default(), Deadlines::default());
        Self { name, connections, addresses, deadlines, tls: None }
    }
}

/// A bound socket. Clients are served once [`serve`](Self::serve) runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    handle: Handle,
    protocol: Arc<Builder<TokioExecutor>>,
}

/// Reads and changes the settings of a serving listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    address: SocketAddr,
    connections: Connections,
    deadlines: Deadlines,
    settings: RwLock<Settings>,
    freed: CancellationToken,
}

/// The settings for new connections.
#[derive(Clone, Debug)]
struct Settings {
    addresses: AddressLimits,
    tls: Option<Tls>,
}

impl Handle {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    /// Sets the limits and TLS of new connections.
    pub fn change(&self, addresses: AddressLimits, tls: Option<Tls>) {
        *self.0.settings.write() = Settings { addresses, tls };
    }

    /// Waits until it has closed and its address is free. Requests may still be in flight.
    pub async fn freed(&self) {
        self.0.freed.cancelled().await;
    }

    fn settings(&self) -> Settings {
        self.0.settings.read().clone()
    }
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(address: impl ToSocketAddrs, options: ListenerOptions) -> io::Result<Self> {
        let addresses = tokio::net::lookup_host(address).await?;
        Self::on(TcpListener::from_std(socket::listen(addresses)?)?, options)
    }

    /// Binds an address without waiting. Must be called within a tokio runtime; a host's name is looked up here.
    ///
    /// # Errors
    /// The system's.
    pub fn bind_now(address: impl std::net::ToSocketAddrs, options: ListenerOptions) -> io::Result<Self> {
        let addresses = std::net::ToSocketAddrs::to_socket_addrs(&address)?;
        Self::on(TcpListener::from_std(socket::listen(addresses)?)?, options)
    }

    /// Uses a bound socket.
    ///
    /// # Errors
    /// The system's.
    pub fn on(socket: TcpListener, options: ListenerOptions) -> io::Result<Self> {
        let ListenerOptions { name, connections, addresses, deadlines, tls } = options;
        let shared = Shared {
            name,
            address: socket.local_addr()?,
            connections,
            deadlines,
            settings: RwLock::new(Settings { addresses, tls }),
            freed: CancellationToken::new(),
        };
        Ok(Self { socket, handle: Handle(Arc::new(shared)), protocol: Arc::new(protocol()) })
    }

    /// Where it listens; another port when it was 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// A handle for later use.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves clients until `closing` is cancelled, then completes the requests in flight, for up to
    /// [`Deadlines::drain`]. Each request has its [`Peer`] as an extension. When this is dropped, all connections are
    /// closed at once, except upgraded ones.
    pub async fn serve<S, B>(self, service: S, closing: CancellationToken)
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let Self { socket, handle, protocol } = self;
        let shared = Arc::clone(&handle.0);
        let (tracker, abort) = (TaskTracker::new(), CancellationToken::new());
        let abort_when_dropped = abort.clone().drop_guard();
        let mut accepting = Accepting::new(&handle, &socket);
        let serving = async {
            loop {
                let (stream, peer, place, tls) = accepting.next().await;
                let connection = Connection {
                    stream,
                    peer,
                    place,
                    tls,
                    service: service.clone(),
                    protocol: Arc::clone(&protocol),
                    deadlines: shared.deadlines,
                    closing: closing.clone(),
                    abort: abort.clone(),
                };
                tracker.spawn(connection.run());
            }
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = serving => {}
            () = follow_files(&handle) => {}
        }
        drop(socket);
        shared.freed.cancel();
        tracker.close();
        if tokio::time::timeout(shared.deadlines.drain, tracker.wait()).await.is_err() {
            debug!(listener = shared.name, connections = tracker.len(), "cutting off connections that do not end");
        }
        drop(abort_when_dropped);
    }
}

/// Reloads the TLS files at intervals.
async fn follow_files(handle: &Handle) {
    let listener = handle.0.name;
    let mut last_failure = None;
    loop {
        let tls = handle.settings().tls;
        tokio::time::sleep(tls.as_ref().map_or(LOOK_FOR_TLS, Tls::reload_every)).await;
        let Some(tls) = tls else { continue };
        // Reading a file may block.
        let failure = match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(false)) => None,
            Ok(Ok(true)) => {
                info!(listener, "new tls files are used");
                None
            }
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(failure) => Some(failure.to_string()),
        };
        if let Some(reason) = failure.as_ref().filter(|failure| last_failure.as_ref() != Some(*failure)) {
            error!(listener, reason, "tls files cannot be used: those that were read before stay in use");
        }
        last_failure = failure;
    }
}

/// The accept loop.
struct Accepting<'a> {
    handle: &'a Handle,
    socket: &'a TcpListener,
    pause: Duration,
    failures: Throttle,
    refusals: Throttle,
}

impl<'a> Accepting<'a> {
    fn new(handle: &'a Handle, socket: &'a TcpListener) -> Self {
        let (failures, refusals) = (Throttle::new(LOG_EVERY), Throttle::new(LOG_EVERY));
        Self { handle, socket, pause: FIRST_PAUSE, failures, refusals }
    }

    async fn next(&mut self) -> (TcpStream, Peer, crate::connections::Member, Option<Tls>) {
        let shared = &*self.handle.0;
        loop {
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.failed(&error).await;
                    continue;
                }
            };
            self.pause = FIRST_PAUSE;
            // Only after accept: waiting connections are not closed before a client has connected.
            let room = shared.connections.room().await;
            let Settings { addresses, tls } = self.handle.settings();
            let most = addresses.most_of(address.ip(), shared.connections.capacity());
            match shared.connections.admit(room, address.ip(), most) {
                Some(place) => {
                    let peer = Peer { address, secure: false, certificates: None, proxies: addresses.proxies };
                    return (stream, peer, place, tls);
                }
                None => self.refused(address),
            }
        }
    }

    /// Usually the process is out of file descriptors: waiting connections are closed.
    async fn failed(&mut self, error: &io::Error) {
        let shared = &*self.handle.0;
        if is_of_the_client(error) {
            return debug!(listener = shared.name, %error, "a client left before it was accepted");
        }
        if let Some(not_logged) = self.failures.ask() {
            warn!(listener = shared.name, %error, not_logged, "cannot accept connections");
        }
        shared.connections.make_room();
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    fn refused(&mut self, address: SocketAddr) {
        if let Some(not_logged) = self.refusals.ask() {
            let listener = self.handle.0.name;
            warn!(listener, address = %address.ip(), not_logged, "refused: this client has as many connections as it may");
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
