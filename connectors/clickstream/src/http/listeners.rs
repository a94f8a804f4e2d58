use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tributary_api::{ConfigIssue, Result};
use tributary_listener::{Connections, Share, check_bindable};

use super::HttpSettings;
use super::routes::{Endpoint, Routes};
use super::server::{Server, unusable};
use super::settings::LISTEN;

/// How long a path is waited for that another connector may be about to give back, and how often it is looked for.
const GIVEN_BACK: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The HTTP listeners of a worker, by address. Cheap to clone; clones share. A listener exists while a connector or a
/// task leases one of its paths. All listeners together use the website's share of the process's file descriptors.
#[derive(Clone, Debug)]
pub struct Listeners {
    servers: Arc<Mutex<HashMap<String, Weak<Server>>>>,
    connections: Connections,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { servers: Arc::default(), connections: Connections::sharing(Share::Website) }
    }
}

impl Listeners {
    /// No listener yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The actual address of the listener for a configured one (`http.listen`); differs if the port was 0.
    pub fn local_addr(&self, listen: &str) -> Option<SocketAddr> {
        self.lock().get(listen)?.upgrade().map(|server| server.local_addr())
    }

    /// Leases paths of a listener to a connector, opening the listener if necessary. Must be called within a tokio
    /// runtime.
    pub(crate) fn lease(&self, request: PathRequest<'_>) -> Result<PathLease> {
        let PathRequest { owner, settings, paths } = request;
        let mut servers = self.lock();
        let server = match servers.get(&settings.listen).and_then(Weak::upgrade) {
            Some(server) => server,
            None => {
                let server = Server::open(&settings.listen, &settings.transport, self.connections.clone())?;
                let server = Arc::new(server);
                servers.retain(|_, other| other.strong_count() > 0);
                servers.insert(settings.listen.clone(), Arc::downgrade(&server));
                server
            }
        };
        drop(servers);
        server.join(owner, &settings.transport)?;
        let mut lease = PathLease { server, owner: owner.to_owned(), paths: Vec::new(), served: Vec::new() };
        for path in paths {
            lease.routes().acquire(path, owner, &settings.cors)?;
            lease.paths.push((*path).to_owned());
        }
        Ok(lease)
    }

    /// Why a connector could not lease the paths of a request, each with its property: the names of those of the paths are
    /// given in their order. Waits a moment for paths that another connector is about to release.
    ///
    /// An address that another process uses is no issue: it may be free when the connector starts, perhaps on another worker.
    pub(crate) async fn check(&self, request: PathRequest<'_>, properties: &[&str]) -> Vec<ConfigIssue> {
        let until = Instant::now() + GIVEN_BACK;
        loop {
            let issues = self.conflicts(request, properties);
            if issues.is_empty() || Instant::now() >= until {
                return issues;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn conflicts(&self, request: PathRequest<'_>, properties: &[&str]) -> Vec<ConfigIssue> {
        let PathRequest { owner, settings, paths } = request;
        let servers = self.lock();
        let Some(server) = servers.get(&settings.listen).and_then(Weak::upgrade) else {
            let error = check_bindable(&settings.listen).err().filter(|error| error.kind() != io::ErrorKind::AddrInUse);
            let error = error.map(|error| unusable(&settings.listen, &error));
            return error.map(|error| ConfigIssue::of_error(&error, LISTEN)).into_iter().collect();
        };
        drop(servers);
        let shared = server.conflict(owner, &settings.transport);
        let taken = paths.iter().zip(properties).filter_map(|(path, property)| {
            let error = server.routes().conflict(path, owner)?;
            Some(ConfigIssue::of_error(&error, property))
        });
        shared.map(|error| ConfigIssue::of_error(&error, LISTEN)).into_iter().chain(taken).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Server>>> {
        self.servers.lock()
    }
}

/// The paths and the listener that a connector requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathRequest<'a> {
    /// The connector.
    pub(crate) owner: &'a str,
    pub(crate) settings: &'a HttpSettings,
    pub(crate) paths: &'a [&'a str],
}

/// Paths of a listener that are leased to a connector or a task until this is dropped.
pub(crate) struct PathLease {
    server: Arc<Server>,
    owner: String,
    paths: Vec<String>,
    served: Vec<(String, Arc<dyn Endpoint>)>,
}

impl PathLease {
    /// Serves a path of this lease until it is dropped or [`pause`](Self::pause)d.
    pub(crate) fn serve(&mut self, path: &str, endpoint: Arc<dyn Endpoint>) {
        self.routes().serve(path, endpoint.clone());
        self.served.push((path.to_owned(), endpoint));
    }

    /// From now on new requests are answered with 503 and `Retry-After`.
    pub(crate) fn pause(&mut self) {
        for (path, endpoint) in std::mem::take(&mut self.served) {
            self.routes().unserve(&path, &endpoint);
        }
    }

    /// Releases the paths. If this was the last lease, waits for a short time until the address is free.
    pub(crate) async fn release(self) {
        let handle = self.server.handle();
        let last = Arc::strong_count(&self.server) == 1;
        drop(self);
        if last && tokio::time::timeout(Duration::from_secs(1), handle.freed()).await.is_err() {
            tracing::warn!("listener did not close in time");
        }
    }

    fn routes(&self) -> &Routes {
        self.server.routes()
    }
}

impl Drop for PathLease {
    fn drop(&mut self) {
        self.pause();
        for path in std::mem::take(&mut self.paths) {
            self.routes().release(&path);
        }
        self.server.release(&self.owner);
    }
}

impl std::fmt::Debug for PathLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PathLease({:?} on {})", self.paths, self.server.local_addr())
    }
}
