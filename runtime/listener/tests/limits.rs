//! How many connections there are. No deadline ends one in these tests.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::UdpSocket;

use support::{LIMIT, ask, never, options, start_with, until_closed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tributary_listener::{AddressLimits, Networks};

const LOCAL: &str = "127.0.0.1:0";

#[tokio::test]
async fn silent_connections_are_closed_for_new_ones() {
    let site = start_with(options(8, never()), LOCAL).await;
    let mut at_work = site.connect().await;
    at_work.write_all(b"GET /ticks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    site.until_open(1).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(site.connect().await);
    }
    for _ in 0..20 {
        assert!(ask(&mut site.connect().await, "/").await.ends_with("hello"));
    }
    assert_eq!(until_closed(&mut at_work).await.matches("tick ").count(), 10);
    assert_eq!(until_closed(&mut silent[0]).await, "");
}

#[tokio::test]
async fn with_all_connections_busy_the_next_one_waits() {
    let site = start_with(options(2, never()), LOCAL).await;
    let mut working = Vec::new();
    for _ in 0..2 {
        let mut stream = site.connect().await;
        stream.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        stream.readable().await.unwrap();
        working.push(stream);
    }
    let mut next = site.connect().await;
    let (answer, ()) = tokio::join!(ask(&mut next, "/"), async { drop(working.pop()) });
    assert!(answer.ends_with("hello"));
    working[0].readable().await.unwrap();
}

/// An address of this machine that is not the loopback's, if it has one.
fn another_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only chooses the way.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string())
}

#[tokio::test]
async fn one_client_cannot_take_all_the_room_unless_it_is_a_proxy() {
    let Some(own) = another_address() else {
        eprintln!("skipped: this machine has no address but the loopback's");
        return;
    };
    let addresses = AddressLimits { most: Some(3), ..AddressLimits::default() };
    let limited = tributary_listener::ListenerOptions { addresses, ..options(100, never()) };
    let site = start_with(limited, "0.0.0.0:0").await;
    let there = (own.as_str(), site.address.port());
    let mut at_work = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(there).await.unwrap();
        stream.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        stream.readable().await.unwrap();
        at_work.push(stream);
    }
    assert_eq!(until_closed(&mut TcpStream::connect(there).await.unwrap()).await, "");
    // Others are served, and so is the same client once it is known as a proxy.
    let mut other = TcpStream::connect(("127.0.0.1", site.address.port())).await.unwrap();
    assert!(ask(&mut other, "/").await.ends_with("hello"));
    site.handle.change(AddressLimits { most: Some(3), proxies: Networks::parse(&[&own]).unwrap() }, None);
    let mut proxy = TcpStream::connect(there).await.unwrap();
    assert!(ask(&mut proxy, "/peer").await.contains(&own));
}

#[tokio::test]
async fn connections_of_http1_and_their_places_go_together() {
    let site = start_with(options(50, never()), LOCAL).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = site.connect().await;
        assert!(ask(&mut stream, "/").await.ends_with("hello"));
        streams.push(stream);
    }
    site.until_open(20).await;
    drop(streams);
    site.until_open(0).await;
    assert!(tokio::time::timeout(LIMIT, async { ask(&mut site.connect().await, "/").await }).await.is_ok());
}
