//! A listener with a small site, and misbehaving clients.
#![allow(dead_code, clippy::unwrap_used)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{get, post};
use futures::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary_listener::{Connections, Deadlines, Handle, Listener, ListenerOptions, Peer, TowerToHyperService};

/// What a test waits for at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// A deadline that no test lives to see.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);
/// A deadline that a test waits for.
pub(crate) const SOON: Duration = Duration::from_millis(150);

pub(crate) fn never() -> Deadlines {
    Deadlines {
        handshake: NEVER,
        first_byte: NEVER,
        headers: NEVER,
        idle: NEVER,
        body: NEVER,
        stalled: NEVER,
        drain: LIMIT,
    }
}

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Connections,
    pub(crate) handle: Handle,
    pub(crate) closing: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

#[allow(clippy::disallowed_methods)] // tests wait for it
pub(crate) async fn start_with(options: ListenerOptions, listen: &str) -> Site {
    let connections = options.connections.clone();
    let listener = Listener::bind(listen, options).await.unwrap();
    let (address, handle, closing) = (listener.local_addr(), listener.handle(), CancellationToken::new());
    let served = tokio::spawn(listener.serve(TowerToHyperService::new(router()), closing.clone()));
    Site { address, connections, handle, closing, served }
}

pub(crate) async fn start(deadlines: Deadlines) -> Site {
    start_with(options(100, deadlines), "127.0.0.1:0").await
}

pub(crate) fn options(capacity: usize, deadlines: Deadlines) -> ListenerOptions {
    ListenerOptions { deadlines, ..ListenerOptions::new("test", Connections::new(capacity)) }
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/peer", get(peer))
        .route("/echo", post(async |body: Bytes| body))
        .route("/ticks", get(ticks))
        .route("/flood", get(flood))
        .route("/upgrade", get(upgrade))
}

/// Who the service thinks that the client is.
async fn peer(request: Request) -> String {
    let peer = request.extensions().get::<Peer>().unwrap();
    let certificates = peer.certificates.as_ref().map_or(0, |chain| chain.len());
    format!("{} secure={} certificates={certificates}", peer.address.ip(), peer.secure)
}

/// Ten ticks, between which every short deadline passes.
async fn ticks() -> Body {
    Body::from_stream(stream::unfold(0, async |tick| {
        tokio::time::sleep(SOON).await;
        (tick < 10).then(|| (Ok::<_, Infallible>("tick "), tick + 1))
    }))
}

/// More than any buffer on the way holds.
async fn flood() -> Body {
    Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 << 10]))))
}

/// Bytes back and forth, no longer HTTP.
#[allow(clippy::disallowed_methods)] // ends with the client
async fn upgrade(request: Request) -> axum::response::Response {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut read, mut write) = tokio::io::split(hyper_util::rt::TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let answer = axum::http::Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
    answer.body(Body::empty()).unwrap()
}

impl Site {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        let open = || self.connections.len();
        let arrived = async {
            while open() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, arrived).await.is_ok(), "{} instead of {count} are open", open());
    }
}

/// Waits until the other side has closed, whatever it says before, and answers that.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    // A reset is an end as well.
    let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut said)).await;
    assert!(ended.is_ok(), "still open after {LIMIT:?}");
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends a request on a connection that stays open, and answers what comes back.
pub(crate) async fn ask<S: AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: &mut S, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        let (mut length, mut part) = (usize::MAX, [0; 1024]);
        while answer.len() < length {
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "closed instead of an answer to {path}");
            answer.extend_from_slice(&part[..read]);
            length = whole(&String::from_utf8_lossy(&answer)).unwrap_or(usize::MAX);
        }
    };
    assert!(tokio::time::timeout(LIMIT, reading).await.is_ok(), "no answer to {path}");
    String::from_utf8(answer).unwrap()
}

/// The length of an answer with a content-length.
fn whole(answer: &str) -> Option<usize> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(head.len() + 4 + length.parse::<usize>().unwrap())
}

/// What HTTP/2 begins with: the preface and empty settings.
pub(crate) const HTTP2_BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
pub(crate) const HTTP2_PING: &[u8] = b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678";
