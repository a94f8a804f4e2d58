use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::service::service_fn;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_api::{Error, Result};
use tributary_listener::{Connections, Deadlines, Listener, ListenerOptions, RequestBody};

use super::routes::Routes;
use super::settings::LISTEN;
use super::transport::TransportSettings;

/// Requests in flight get this long to be answered once the listener closes.
const DRAIN: Duration = Duration::from_secs(3);

/// An open listener. Dropping it closes the address at once; requests in flight are completed.
#[derive(Debug)]
pub(super) struct Server {
    handle: tributary_listener::Handle,
    routes: Arc<Routes>,
    closing: CancellationToken,
    users: Mutex<HashMap<String, ListenerUser>>,
}

/// A connector that uses the listener, with the number of its leases.
#[derive(Debug)]
struct ListenerUser {
    leases: usize,
    settings: TransportSettings,
}

impl Server {
    pub(super) fn open(listen: &str, settings: &TransportSettings, connections: Connections) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|error| Error::fatal("cannot listen").cause(&error))?;
        let options = ListenerOptions {
            addresses: settings.addresses.clone(),
            deadlines: Deadlines { drain: DRAIN, ..Deadlines::default() },
            tls: settings.load_tls()?,
            ..ListenerOptions::new("website", connections)
        };
        let listener = Listener::bind_now(listen, options).map_err(|error| unusable(listen, &error))?;
        let routes: Arc<Routes> = Arc::default();
        let (handle, closing) = (listener.handle(), CancellationToken::new());
        let service = {
            let routes = Arc::clone(&routes);
            service_fn(move |request: Request<RequestBody>| {
                let routes = Arc::clone(&routes);
                async move { Ok::<_, Infallible>(routes.dispatch(request.map(Body::new)).await) }
            })
        };
        // The loop has its own time limit for its end.
        TaskTracker::new().spawn_on(listener.serve(service, closing.clone()), &runtime);
        tracing::info!(address = %handle.local_addr(), tls = settings.tls.is_some(), "listening for browsers");
        Ok(Self { handle, routes, closing, users: Mutex::default() })
    }

    /// Adds a use of the listener. The connector's newest settings apply from now on, because its task may still have
    /// older ones. Another connector must have the same settings.
    pub(super) fn join(&self, owner: &str, settings: &TransportSettings) -> Result<()> {
        if let Some(error) = self.conflict(owner, settings) {
            return Err(error);
        }
        let mut users = self.users();
        if let Some(user) = users.get_mut(owner) {
            if user.settings != *settings {
                self.handle.change(settings.addresses.clone(), settings.load_tls()?);
                user.settings = settings.clone();
            }
            user.leases += 1;
        } else {
            users.insert(owner.to_owned(), ListenerUser { leases: 1, settings: settings.clone() });
        }
        Ok(())
    }

    /// Why a connector cannot share the listener.
    pub(super) fn conflict(&self, owner: &str, settings: &TransportSettings) -> Option<Error> {
        let users = self.users();
        let (other, _) = users.iter().find(|(name, user)| *name != owner && user.settings != *settings)?;
        let listen = self.local_addr();
        let message = format!(
            "connector {other} has opened {listen} with other settings: give http.tls.*, http.trusted.proxies and \
             http.connections.max.per.address the same values in all connectors of a listener"
        );
        Some(Error::config_at(LISTEN, message))
    }

    pub(super) fn release(&self, owner: &str) {
        let mut users = self.users();
        if let Some(user) = users.get_mut(owner) {
            user.leases -= 1;
            if user.leases == 0 {
                users.remove(owner);
            }
        }
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The handle to wait until the address is free again.
    pub(super) fn handle(&self) -> tributary_listener::Handle {
        self.handle.clone()
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, ListenerUser>> {
        self.users.lock()
    }
}

/// An address that cannot be listened on.
pub(super) fn unusable(listen: &str, error: &io::Error) -> Error {
    let message = format!("cannot listen on {listen}: set {LISTEN} to a free address of this machine");
    Error::config_at(LISTEN, message).cause(error)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
