use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// How many connections one client address may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressLimits {
    /// The maximum. `None` is a quarter of the listener's.
    pub most: Option<usize>,
    /// Proxies, whose connections belong to many clients: they are not counted by address, and their `X-Forwarded-For`
    /// is trusted.
    pub proxies: Networks,
}

impl AddressLimits {
    /// The maximum for a client, if it is limited. This machine's own address is not, because only a proxy connects
    /// from there.
    pub(crate) fn most_of(&self, address: IpAddr, capacity: usize) -> Option<usize> {
        let canonical = address.to_canonical();
        let shared = canonical.is_loopback() || self.proxies.contain(canonical);
        (!shared).then(|| self.most.unwrap_or(capacity / 4).max(1))
    }
}

/// A list of networks, such as `10.0.0.0/8, 192.168.1.7`. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(std::sync::Arc<[IpNet]>);

/// Text that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl Networks {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// With the first that is neither.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, NetworkError> {
        texts.iter().map(|text| network(text.as_ref().trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn network(text: &str) -> Result<IpNet, NetworkError> {
    let network = match IpAddr::from_str(text) {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => IpNet::from_str(text),
    };
    network.map_err(|_| NetworkError(text.to_owned()))
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is neither an address nor a network: write 10.1.2.3 or 10.0.0.0/8", self.0)
    }
}

impl std::error::Error for NetworkError {}

/// What counts as one client: an IPv4 address, or an IPv6 /64 network, which is what a provider assigns to one
/// customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        assert_eq!(Client::from(address("::ffff:10.0.0.1")), Client::from(address("10.0.0.1")));
        assert_eq!(Client::from(address("2001:db8::1")), Client::from(address("2001:db8::ffff:2")));
        assert_ne!(Client::from(address("2001:db8::1")), Client::from(address("2001:db8:0:1::1")));
        assert_ne!(Client::from(address("10.0.0.1")), Client::from(address("10.0.0.2")));
    }

    #[test]
    fn proxies_and_this_machine_are_not_limited() {
        let limits = AddressLimits { most: None, proxies: Networks::parse(&["10.0.0.0/8", "192.168.1.7"]).unwrap() };
        assert_eq!(limits.most_of(address("203.0.113.9"), 400), Some(100));
        for shared in ["127.0.0.1", "::1", "10.200.0.1", "::ffff:10.0.0.1", "192.168.1.7"] {
            assert_eq!(limits.most_of(address(shared), 400), None, "{shared}");
        }
        assert_eq!(AddressLimits { most: Some(7), ..limits }.most_of(address("192.168.1.8"), 400), Some(7));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = Networks::parse(&["10.0.0.1", "nginx"]).unwrap_err().to_string();
        assert!(error.starts_with("nginx is neither"), "{error}");
    }
}
