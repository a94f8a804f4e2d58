use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections the system may hold until they are accepted; `net.core.somaxconn` is another bound. When this
/// room is used up, new clients wait for a second and more, and some are reset: after a restart of the worker all open
/// pages connect at once.
const BACKLOG: i32 = 4096;

/// Listens on the first of some addresses that can be used.
pub(crate) fn listen(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<TcpListener> {
    let socket = first_bound(addresses)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Checks that an address can be bound, and returns it; another port when it was 0.
///
/// Nothing listens meanwhile: a client is refused, instead of being accepted by the system and reset a moment later.
///
/// # Errors
/// The system's, `AddrInUse` if something listens there.
pub fn check_bindable(address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    let bound = first_bound(address.to_socket_addrs()?)?.local_addr()?;
    bound.as_socket().ok_or_else(|| io::Error::other("no IP address"))
}

fn first_bound(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<Socket> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
    for address in addresses {
        match bound(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let two processes listen on one address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn hundreds_of_clients_connect_before_the_first_one_is_accepted() {
        let listener = listen(["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..400).map(|_| TcpStream::connect_timeout(&address, LIMIT).unwrap()).collect();
        assert_eq!(clients.len(), 400);
    }

    #[test]
    fn an_address_that_is_checked_accepts_nobody_and_a_taken_one_is_known() {
        let free = check_bindable("127.0.0.1:0").unwrap();
        let checked = bound(free).unwrap();
        assert_eq!(TcpStream::connect(free).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let listener = listen([free]).unwrap();
        drop(checked);
        assert_eq!(check_bindable(free).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(check_bindable(free).unwrap(), free);
        assert!(check_bindable("192.0.2.1:0").is_err());
    }
}
