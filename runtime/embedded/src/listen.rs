//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tracing::warn;

use crate::error::Error;

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

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
