use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range of ports for outgoing connections: the kernel must not use one of them between the check and the bind.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 200;

/// A free port of 127.0.0.1.
pub fn free_port() -> Result<u16> {
    free_ports(1)
}

/// The first of `count` consecutive free ports.
pub fn free_ports(count: u16) -> Result<u16> {
    let candidates = std::iter::repeat_with(|| rand::random_range(PORTS)).take(TRIES);
    match first_free(candidates, count) {
        Some(first) => Ok(first),
        None => bail!("found no {count} free ports in a row in {PORTS:?}, end what listens there"),
    }
}

/// The first candidate that can be bound, and so can those right after it.
fn first_free(mut candidates: impl Iterator<Item = u16>, count: u16) -> Option<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    candidates.find(|&first| (first..first + count).map(bind).collect::<Result<Vec<_>, _>>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port 0 is whichever the kernel finds free, so it is always free itself.
    #[test]
    fn a_taken_port_is_not_handed_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(first_free([port, port].into_iter(), 1), None);
        assert_eq!(first_free([port, 0].into_iter(), 1), Some(0));
        assert_eq!(first_free([port - 1].into_iter(), 2), None);
    }

    #[test]
    fn ports_are_of_the_range() {
        assert!(PORTS.contains(&free_ports(3).unwrap()));
    }
}
