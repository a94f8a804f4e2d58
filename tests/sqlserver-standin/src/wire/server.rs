//! Listening, and the threads of the connections.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    faults::Faults,
    session::{Cancel, Engine},
};

use super::{connection, prelogin::Encryption, tls::Certificate};

/// The first number of a user's session.
const FIRST_SPID: u16 = 51;

/// How a server listens and speaks.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Port 0 for a free one.
    pub(crate) address: SocketAddr,
    pub(crate) encryption: Encryption,
    /// Decides in how many parts large values are cut and how rows are written.
    pub(crate) seed: u64,
    /// The longest message of a client, in bytes.
    pub(crate) message_limit: usize,
}

/// What the connections share.
pub(super) struct ServerState {
    pub(super) options: Options,
    pub(super) certificate: Certificate,
    pub(super) faults: Faults,
    pub(super) engine: Arc<dyn Engine>,
    connections: Mutex<BTreeMap<u16, Cancel>>,
    stopping: AtomicBool,
}

impl ServerState {
    fn connections(&self) -> MutexGuard<'_, BTreeMap<u16, Cancel>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listening server. Its drop ends all connections and waits for their threads.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<ServerState>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(options: Options, engine: Arc<dyn Engine>, faults: Faults) -> io::Result<Server> {
        let certificate = Certificate::generate().map_err(io::Error::other)?;
        let listener = TcpListener::bind(options.address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(ServerState {
            options,
            certificate,
            faults,
            engine,
            connections: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let listening = {
            let shared = shared.clone();
            thread::Builder::new().name("standin-listener".to_owned()).spawn(move || listen(&listener, &shared))?
        };
        Ok(Server { address, shared, listening: Some(listening) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate, for clients that are to trust it.
    pub(crate) fn certificate_pem(&self) -> &str {
        self.shared.certificate.pem()
    }

    /// The connections that are open, by their sessions' numbers.
    pub(crate) fn sessions(&self) -> Vec<u16> {
        self.shared.connections().keys().copied().collect()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The listener is woken by a connection.
        drop(TcpStream::connect(self.address));
        if self.listening.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the listener has panicked");
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<ServerState>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        match stream.and_then(|stream| accept(stream, shared)) {
            Ok(thread) => threads.push(thread),
            Err(error) => tracing::warn!(%error, "cannot accept a connection"),
        }
    }
    for cancel in shared.connections().values() {
        cancel.abort();
    }
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a connection has panicked");
        }
    }
}

fn accept(stream: TcpStream, shared: &Arc<ServerState>) -> io::Result<JoinHandle<()>> {
    let client = stream.peer_addr()?;
    let cancel = Cancel::over(stream.try_clone()?);
    let slot = SessionSlot::take(shared, &cancel)?;
    let shared = shared.clone();
    let spid = slot.spid;
    thread::Builder::new().name(format!("standin-{spid}")).spawn(move || {
        if let Err(error) = connection::serve(stream, spid, &cancel, &shared) {
            tracing::debug!(%error, %client, "a connection has ended");
        }
        drop(slot);
    })
}

/// A session's number, while its connection is open.
struct SessionSlot {
    spid: u16,
    shared: Arc<ServerState>,
}

impl SessionSlot {
    fn take(shared: &Arc<ServerState>, cancel: &Cancel) -> io::Result<SessionSlot> {
        let mut connections = shared.connections();
        let spid = (FIRST_SPID..=u16::MAX)
            .find(|spid| !connections.contains_key(spid))
            .ok_or_else(|| io::Error::other("too many connections"))?;
        connections.insert(spid, cancel.clone());
        drop(connections);
        Ok(SessionSlot { spid, shared: shared.clone() })
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.spid);
    }
}
