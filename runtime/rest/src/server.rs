use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::listener::Listener;

/// How long open requests may take once the server is to stop.
const DRAIN: Duration = Duration::from_secs(1);

/// Bound listeners.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Binds all listeners, or none.
    ///
    /// # Errors
    /// The system's, with the listener in its text; the kind is kept.
    pub async fn bind(listeners: &[Listener]) -> io::Result<Self> {
        let mut bound = Vec::with_capacity(listeners.len());
        let mut addresses = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let told = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {listener}: {error}"));
            let socket = TcpListener::bind(listener.address()).await.map_err(told)?;
            addresses.push(socket.local_addr().map_err(told)?);
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
            let stopped = stop.clone().cancelled_owned();
            servers.spawn(axum::serve(listener, router.clone()).with_graceful_shutdown(stopped).into_future());
        }
        let drained = async {
            while let Some(served) = servers.join_next().await {
                if !matches!(served, Ok(Ok(()))) {
                    warn!(?served, "rest server ended");
                }
            }
        };
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = drained => {}
            () = late => debug!("requests were still open when rest stopped"),
        }
    }
}
