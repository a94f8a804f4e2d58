#![allow(clippy::unwrap_used)]

use std::future::Future;

use tokio_util::task::TaskTracker;

use super::*;
use crate::broker::slots::ConnectionSlots;
use crate::broker::store::test_store;
use crate::broker::{accept, routes};

/// Much longer than the waits of these tests take.
const LIMIT: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_hours(1);
const NO_TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts { first: HOUR, between: HOUR, transfer: HOUR };

/// ApiVersions, version 0, from a client without a name.
const VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// Runs `test` with the address of a broker with this many slots.
async fn with_broker<F: Future<Output = ()>>(
    slots: usize,
    timeouts: ConnectionTimeouts,
    test: impl FnOnce(SocketAddr) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let store = test_store(folder.path()).await;
    let (closing, tracker) = (CancellationToken::new(), TaskTracker::new());
    let connections = Connections::new(routes::build(&store, &closing).unwrap(), timeouts, closing.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = accept(listener, connections, ConnectionSlots::new(slots), tracker.clone(), closing.clone());
    let testing = async {
        timeout(LIMIT, test(address)).await.unwrap();
        closing.cancel();
    };
    tokio::join!(accepting, testing);
    tracker.close();
    tracker.wait().await;
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn is_answered(stream: &mut TcpStream) -> bool {
    stream.write_all(&VERSIONS).await.is_ok() && stream.read_u32().await.is_ok_and(|length| length > 0)
}

async fn is_hung_up_on(mut stream: TcpStream) -> bool {
    !matches!(stream.read(&mut [0; 64]).await, Ok(1..))
}

#[tokio::test]
async fn a_silent_connection_is_closed_for_one_with_a_request() {
    with_broker(2, NO_TIMEOUTS, |address| async move {
        let mut asking = connect(address).await;
        assert!(is_answered(&mut asking).await);
        let silent = connect(address).await;
        for _ in 0..5 {
            assert!(is_answered(&mut connect(address).await).await);
        }
        assert!(is_hung_up_on(silent).await);
    })
    .await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let short = Duration::from_millis(20);
    with_broker(100, ConnectionTimeouts { first: short, ..NO_TIMEOUTS }, |address| async move {
        assert!(is_hung_up_on(connect(address).await).await);
    })
    .await;
    with_broker(100, ConnectionTimeouts { between: short, ..NO_TIMEOUTS }, |address| async move {
        let mut stream = connect(address).await;
        assert!(is_answered(&mut stream).await);
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    })
    .await;
    with_broker(100, ConnectionTimeouts { transfer: short, ..NO_TIMEOUTS }, |address| async move {
        let mut stream = connect(address).await;
        stream.write_all(&VERSIONS[..7]).await.unwrap();
        assert!(is_hung_up_on(stream).await);
    })
    .await;
}

/// Only bytes that have arrived count, not the announced length.
#[tokio::test]
async fn requests_beyond_the_room_are_hung_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = test_store(folder.path()).await;
    let closing = CancellationToken::new();
    let connections = Connections::new(routes::build(&store, &closing).unwrap(), NO_TIMEOUTS, closing);
    let mut first = None;
    connections.reserve(&mut first, 1).unwrap();
    connections.reserve(&mut first, REQUEST_MEMORY - MEMORY_UNIT).unwrap();
    let mut second = None;
    connections.reserve(&mut second, MEMORY_UNIT).unwrap();
    assert!(connections.reserve(&mut second, MEMORY_UNIT + 1).is_err());
    drop(first);
    connections.reserve(&mut second, REQUEST_MEMORY).unwrap();
}
