use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tributary_listener::{ListenerOptions, TowerToHyperService};

use crate::listener::Listener;

/// Bound listeners.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<tributary_listener::Listener>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Binds all listeners, or none. They share the options' room for connections.
    ///
    /// # Errors
    /// The system's, with the listener in its text; the kind is kept.
    pub async fn bind(listeners: &[Listener], options: &ListenerOptions) -> io::Result<Self> {
        let mut bound = Vec::with_capacity(listeners.len());
        let mut addresses = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let told = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {listener}: {error}"));
            let socket = tributary_listener::Listener::bind(listener.address(), options.clone()).await.map_err(told)?;
            addresses.push(socket.local_addr());
            bound.push(socket);
        }
        Ok(Self { listeners: bound, addresses })
    }

    /// What was bound, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers requests until told to stop, then lets open ones end for a second.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            servers.spawn(listener.serve(TowerToHyperService::new(router.clone()), stop.clone()));
        }
        while let Some(served) = servers.join_next().await {
            if let Err(error) = served {
                warn!(%error, "rest server ended");
            }
        }
    }
}
