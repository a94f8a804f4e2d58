//! The deadlines for clients. In each test one deadline is short and all others are an hour.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{HTTP2_BEGIN, HTTP2_PING, LIMIT, SOON, Site, ask, never, start, until_closed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tributary_listener::Deadlines;

/// Sends something repeatedly, whether or not it is read.
async fn repeat(stream: &mut (impl AsyncWriteExt + Unpin), text: &[u8]) {
    while stream.write_all(text).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::future::pending().await
}

async fn closed_while_saying(stream: &mut TcpStream, text: &[u8]) -> String {
    let (mut read, mut write) = stream.split();
    tokio::select! {
        said = until_closed(&mut read) => said,
        () = repeat(&mut write, text) => String::new(),
    }
}

/// Sends a request on a new connection, and reads the first byte of what comes back. A connection on which the request came
/// later than a short deadline allows, because the machine stood still, is closed without a word: then another one is made.
async fn request(site: &Site, request: &[u8]) -> (TcpStream, u8) {
    let answered = async {
        loop {
            let mut stream = site.connect().await;
            if stream.write_all(request).await.is_ok()
                && let Ok(first) = stream.read_u8().await
            {
                return (stream, first);
            }
        }
    };
    tokio::time::timeout(LIMIT, answered).await.unwrap()
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let site = start(Deadlines { first_byte: SOON, ..never() }).await;
    assert_eq!(until_closed(&mut site.connect().await).await, "");
    site.until_open(0).await;
}

#[tokio::test]
async fn headers_that_trickle_end_the_connection() {
    let site = start(Deadlines { headers: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").await.unwrap();
    closed_while_saying(&mut stream, b"x").await;
    site.until_open(0).await;
}

#[tokio::test]
async fn headers_that_trickle_end_the_connection_after_an_answer_as_well() {
    let site = start(Deadlines { headers: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").await.unwrap();
    closed_while_saying(&mut stream, b"x").await;
    site.until_open(0).await;
}

#[tokio::test]
async fn http2_without_a_request_is_closed_despite_other_frames() {
    let site = start(Deadlines { headers: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    stream.write_all(HTTP2_BEGIN).await.unwrap();
    closed_while_saying(&mut stream, HTTP2_PING).await;
    site.until_open(0).await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_up_to_a_timeout() {
    let site = start(never()).await;
    let mut stream = site.connect().await;
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
    let site = start(Deadlines { idle: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    assert!(ask(&mut stream, "/").await.ends_with("hello"));
    assert_eq!(until_closed(&mut stream).await, "");
    site.until_open(0).await;
}

#[tokio::test]
async fn a_slow_response_is_not_cut_off() {
    let short = Duration::from_millis(50);
    let site = start(Deadlines { first_byte: short, headers: short, idle: short, stalled: short, ..never() }).await;
    let (mut stream, _) = request(&site, b"GET /ticks HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(until_closed(&mut stream).await.matches("tick ").count(), 10);
}

#[tokio::test]
async fn an_upgraded_connection_has_no_deadline_and_keeps_its_slot() {
    let short = Duration::from_millis(50);
    let site = start(Deadlines { first_byte: short, headers: short, idle: short, stalled: short, ..never() }).await;
    let upgrade = b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let (mut stream, first) = request(&site, upgrade).await;
    let mut answer = vec![first];
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    for _ in 0..5 {
        tokio::time::sleep(short).await;
        stream.write_u8(7).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 7);
        site.until_open(1).await;
    }
    drop(stream);
    site.until_open(0).await;
}

#[tokio::test]
async fn a_body_sent_too_slowly_fails_the_request() {
    let site = start(Deadlines { body: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx").await.unwrap();
    let answer = closed_while_saying(&mut stream, b"x").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    site.until_open(0).await;
}

#[tokio::test]
async fn a_body_sent_fast_enough_may_take_longer() {
    let site = start(Deadlines { body: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    let head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\nConnection: close\r\n\r\n";
    // The first piece comes with the head, and earns 4 s: a machine that stands still does not make the client slow.
    stream.write_all(&[&head[..], &[b'x'; 5000]].concat()).await.unwrap();
    for _ in 1..10 {
        tokio::time::sleep(SOON / 3).await;
        stream.write_all(&[b'x'; 5000]).await.unwrap();
    }
    assert_eq!(until_closed(&mut stream).await.matches('x').count(), 50_000);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_cut_off() {
    let site = start(Deadlines { stalled: SOON, ..never() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    site.until_open(1).await;
    site.until_open(0).await;
}

#[tokio::test]
async fn a_closing_listener_frees_its_address_and_finishes_responses() {
    let site = start(never()).await;
    let (mut silent, mut asked, mut begun) = (site.connect().await, site.connect().await, site.connect().await);
    assert!(ask(&mut asked, "/").await.ends_with("hello"));
    begun.write_all(b"GET /ticks HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    begun.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    site.closing.cancel();
    site.handle.freed().await;
    assert!(TcpStream::connect(site.address).await.is_err());
    assert_eq!((until_closed(&mut silent).await, until_closed(&mut asked).await), (String::new(), String::new()));
    assert_eq!(until_closed(&mut begun).await.matches("tick ").count(), 10);
    site.served.await.unwrap();
}
