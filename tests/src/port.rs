use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range from which the kernel takes ports for outgoing connections, so that none of those gets in between.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 200;

/// A port of 127.0.0.1 on which nobody listens now.
pub fn free_port() -> Result<u16> {
    free_ports(1)
}

/// The first of `count` ports in a row on which nobody listens now.
pub fn free_ports(count: u16) -> Result<u16> {
    for _ in 0..TRIES {
        let first = rand::random_range(PORTS);
        let bound: Result<Vec<_>, _> =
            (first..first + count).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if bound.is_ok() {
            return Ok(first);
        }
    }
    bail!("found no {count} free ports in a row in {PORTS:?}, end what listens there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_handed_out() {
        let first = free_ports(3).unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).unwrap();
        for _ in 0..50 {
            let next = free_ports(2).unwrap();
            assert!(!(next..next + 2).contains(&taken.local_addr().unwrap().port()));
        }
    }
}
