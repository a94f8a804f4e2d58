use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::request::Parts;
use tributary_listener::Peer;

/// What counts as one client: an IPv4 address, or an IPv6 /64 network, which is what a provider assigns to one
/// customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    /// The client is not known.
    pub(crate) const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// The client of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            address => Self(address),
        }
    }

    /// The client of a request: the peer, or the address that a trusted proxy forwards.
    pub(crate) fn of_request(parts: &Parts) -> Self {
        parts.extensions.get::<Peer>().map_or(Self::UNKNOWN, |peer| Self::of(peer.client(&parts.headers)))
    }

    /// Whether limits for each client apply. They do not for this machine's own address, where requests come through a
    /// proxy for many clients.
    pub(crate) fn is_limited(self) -> bool {
        !self.0.is_loopback() && !self.0.is_unspecified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client::of(address.parse().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
    }

    #[test]
    fn requests_from_this_machine_have_no_share_of_their_own() {
        for (address, is_limited) in [("127.0.0.1", false), ("::1", false), ("10.0.0.1", true), ("2001:db8::1", true)] {
            assert_eq!(client(address).is_limited(), is_limited, "{address}");
        }
        assert!(!Client::UNKNOWN.is_limited());
    }
}
