//! Listening sockets and the loop that accepts connections.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::error::Error;

/// Connections served at a time; the next one waits in the operating system's backlog.
const MAX_CONNECTIONS: usize = 1_024;

/// Pause after a failed accept (out of file handles, mostly), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Listens on the loopback interface, on `preferred_port` or, when that is taken, on a free port.
pub(crate) async fn bind(preferred_port: u16) -> Result<TcpListener, Error> {
    let refused = |source| Error::Bind { port: preferred_port, source };
    match TcpListener::bind(loopback(preferred_port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let listener = TcpListener::bind(loopback(0)).await.map_err(refused)?;
            let port = listener.local_addr().map_err(refused)?.port();
            warn!(preferred_port, port, "port is taken, listening on a free one");
            Ok(listener)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Runs `serve` as a task of `tracker` for every connection, until `closing` is cancelled.
pub(crate) async fn accept<F, S>(listener: TcpListener, tracker: TaskTracker, closing: CancellationToken, serve: S)
where
    S: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, peer)| (permit, stream, peer))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = closing.cancelled() => return,
        };
        match accepted {
            Ok((permit, stream, peer)) => {
                let connection = serve(stream, peer);
                tracker.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
