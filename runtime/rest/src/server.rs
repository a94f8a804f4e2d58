use std::io;
use std::net::SocketAddr;

use axum::{Extension, Router};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tributary_listener::{ListenerOptions, TowerToHyperService};

use crate::listener_url::ListenerUrl;
use crate::options::RestOptions;

/// Marks each request that came by HTTPS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure;

/// Bound listeners.
#[derive(Debug)]
pub struct Server {
    /// Each with whether it speaks HTTPS.
    listeners: Vec<(tributary_listener::Listener, bool)>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Binds all listeners, or none. They share the options' connection limit; the TLS settings apply to those with
    /// HTTPS.
    ///
    /// # Errors
    /// The system's error, with the listener in its message; the kind is kept.
    pub async fn bind(listeners: &[ListenerUrl], options: &ListenerOptions) -> io::Result<Self> {
        let mut bound = Vec::with_capacity(listeners.len());
        let mut addresses = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let with_listener =
                |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {listener}: {error}"));
            let mut options = options.clone();
            options.tls = options.tls.filter(|_| listener.https);
            if listener.https && options.tls.is_none() {
                return Err(with_listener(io::Error::new(io::ErrorKind::InvalidInput, "it has no certificate")));
            }
            let socket =
                tributary_listener::Listener::bind(listener.address(), options).await.map_err(with_listener)?;
            addresses.push(socket.local_addr());
            bound.push((socket, listener.https));
        }
        Ok(Self { listeners: bound, addresses })
    }

    /// The bound addresses, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers requests until stopped, then completes open ones for up to a second. A listener on loopback serves only
    /// this machine and its own pages.
    pub async fn serve(self, router: Router, options: &RestOptions, stop: CancellationToken) {
        let mut servers = JoinSet::new();
        for (listener, https) in self.listeners {
            let router = match listener.local_addr().ip().is_loopback() {
                true => options.on_loopback(router.clone()),
                false => router.clone(),
            };
            let router = if https { router.layer(Extension(Secure)) } else { router };
            servers.spawn(listener.serve(TowerToHyperService::new(router), stop.clone()));
        }
        while let Some(served) = servers.join_next().await {
            if let Err(error) = served {
                warn!(%error, "rest server ended");
            }
        }
    }
}
