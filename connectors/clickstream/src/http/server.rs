use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_api::{Error, Result};

use super::client::PeerAddress;
use super::routes::Routes;

/// Each costs some 10 KB while idle; more wait in the system's backlog.
const MAX_CONNECTIONS: usize = 20_000;
/// A client that sends its headers more slowly is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight get this long to be answered once the listener closes.
const DRAIN: Duration = Duration::from_secs(3);

/// An open listener. Dropping it closes the address at once and lets the requests in flight end.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    routes: Arc<Routes>,
    closing: CancellationToken,
    freed: CancellationToken,
}

impl Server {
    pub(super) fn open(listen: &str) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|error| Error::fatal("cannot listen").cause(&error))?;
        let failed = |error: std::io::Error| {
            let message = format!("cannot listen on {listen}: set http.listen to a free address of this machine");
            Error::config(message).cause(&error)
        };
        let socket = std::net::TcpListener::bind(listen).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(socket).map_err(failed)?;
        let server = Self {
            address: listener.local_addr().map_err(failed)?,
            routes: Arc::default(),
            closing: CancellationToken::new(),
            freed: CancellationToken::new(),
        };
        let accept = Accept {
            routes: server.routes.clone(),
            closing: server.closing.clone(),
            freed: server.freed.clone(),
            abort: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        // The tracker ends with the loop that it holds: the loop itself bounds its end.
        TaskTracker::new().spawn_on(accept.run(listener), &runtime);
        tracing::info!(address = %server.address, "listening for browsers");
        Ok(server)
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Cancelled when the address is free again.
    pub(super) fn freed(&self) -> CancellationToken {
        self.freed.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

struct Accept {
    routes: Arc<Routes>,
    closing: CancellationToken,
    freed: CancellationToken,
    abort: CancellationToken,
    connections: TaskTracker,
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = async {
                let permit = room.clone().acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = self.closing.cancelled() => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = self.connection(stream, peer);
                    self.connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: accepting again at once would only burn time.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        self.freed.cancel();
        self.connections.close();
        if tokio::time::timeout(DRAIN, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "cutting off connections that do not end");
            self.abort.cancel();
        }
    }

    fn connection(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let (routes, closing, abort) = (self.routes.clone(), self.closing.clone(), self.abort.clone());
        async move {
            // A message must not wait for the next one to fill a packet.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot send small packets at once");
            }
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer.ip()));
                let routes = routes.clone();
                async move { Ok::<_, Infallible>(routes.dispatch(request.map(Body::new)).await) }
            });
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let mut draining = false;
            loop {
                tokio::select! {
                    ended = connection.as_mut() => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "connection ended");
                        }
                        return;
                    }
                    () = closing.cancelled(), if !draining => {
                        connection.as_mut().graceful_shutdown();
                        draining = true;
                    }
                    () = abort.cancelled() => return,
                }
            }
        }
    }
}
