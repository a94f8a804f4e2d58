use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use rustls::pki_types::CertificateDer;

use crate::address::Networks;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of a connection; an extension of each request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address, or a proxy's.
    pub address: SocketAddr,
    /// Whether the connection has TLS.
    pub secure: bool,
    /// Its verified certificate chain.
    pub certificates: Option<Arc<[CertificateDer<'static>]>>,
    pub(crate) proxies: Networks,
}

impl Peer {
    /// The client's address: that of the connection, or from a trusted proxy's `X-Forwarded-For`. Only the entries that
    /// trusted proxies have added are used; a client can set the others itself.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        let mut client = self.address.ip().to_canonical();
        if self.proxies.is_empty() {
            return client;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
        for named in lines.flat_map(|line| line.rsplit(',')) {
            match address(named.trim()) {
                Some(before) if self.proxies.contain(client) => client = before,
                _ => break,
            }
        }
        client
    }
}

/// Some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || SocketAddr::from_str(text).map(|address| address.ip());
    IpAddr::from_str(text).or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, proxies: &[&str], forwarded: &[&str]) -> String {
        let peer = Peer {
            address: SocketAddr::new(peer.parse().unwrap(), 1),
            secure: false,
            certificates: None,
            proxies: Networks::parse(proxies).unwrap(),
        };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        peer.client(&headers).to_string()
    }

    #[test]
    fn headers_of_untrusted_peers_are_ignored() {
        assert_eq!(client("203.0.113.9", &[], &["10.9.9.9"]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["10.0.0.0/8"], &["10.9.9.9"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &[], &["10.9.9.9"]), "127.0.0.1");
    }

    #[test]
    fn trusted_proxies_give_the_clients_address() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.1", &proxies, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &proxies, &["1.1.1.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &proxies, &["1.1.1.1", "203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &proxies, &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &proxies, &[]), "10.0.0.1");
    }
}
