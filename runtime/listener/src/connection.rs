use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::BoxError;
use crate::answer::Counted;
use crate::body::RequestBody;
use crate::connections::Member;
use crate::deadlines::Deadlines;
use crate::peer::Peer;
use crate::progress::{MissedDeadline, Progress};
use crate::stream::{Stream, Transport};
use crate::tls::Tls;

/// The maximum size of a request's headers, and the read size of its body.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// How much of unread bodies HTTP/2 buffers, for each request and in total.
const REQUEST_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
const MAX_CONCURRENT_REQUESTS: u32 = 100;
/// How often a client with requests in flight is pinged.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an idle connection may take to close after it was asked to.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The protocol as all connections of a listener have it.
pub(crate) fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper's own header timeout also runs between requests, where clients have more time: `Progress` handles both.
    builder.http1().header_read_timeout(None).max_buf_size(MAX_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .initial_stream_window_size(REQUEST_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_CONCURRENT_REQUESTS);
    builder
}

/// A connection from accept to close.
pub(crate) struct Connection<S> {
    pub(crate) stream: TcpStream,
    pub(crate) peer: Peer,
    pub(crate) place: Member,
    pub(crate) tls: Option<Tls>,
    pub(crate) service: S,
    pub(crate) protocol: Arc<Builder<TokioExecutor>>,
    pub(crate) deadlines: Deadlines,
    /// The listener closes: requests in flight are completed.
    pub(crate) closing: CancellationToken,
    /// Requests in flight are aborted.
    pub(crate) abort: CancellationToken,
}

impl<S, B> Connection<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(crate) async fn run(self) {
        let Self { stream, mut peer, place, tls, service, protocol, deadlines, closing, abort } = self;
        let (progress, address) = (place.progress(), peer.address);
        let transport = tokio::select! {
            transport = establish(stream, tls, &mut peer, &deadlines) => transport,
            // Closed in favour of a new connection, because the limit is reached.
            () = progress.is_cut_off() => return,
            // The listener is closing, and no request has begun.
            () = closing.cancelled() => return,
        };
        let Some(transport) = transport else { return };
        progress.waits();
        let service = Counted { service, peer, progress: Arc::clone(&progress), deadlines };
        let io = TokioIo::new(Stream::new(transport, place));
        let mut connection = pin!(protocol.serve_connection_with_upgrades(io, service));
        let mut watch = WatchedConnection::new(&progress, deadlines);
        loop {
            let end = tokio::select! {
                // The connection serves requests until it ends or misses a deadline.
                end = poll_fn(|cx| watch.poll(connection.as_mut(), cx)) => end,
                // The listener is closing: the request that is being answered is the last one.
                () = closing.cancelled(), if !watch.is_leaving() => End::Asked,
                // The limit of connections is reached, and this one has waited longest.
                () = progress.is_cut_off() => End::CutOff,
                // The time for closing is over.
                () = abort.cancelled() => return,
            };
            match end {
                End::Closed(result) => return log_end(address, result),
                End::CutOff if progress.is_waiting() => {
                    return debug!(%address, "closing an idle connection for a new \
                                                                                 one");
                }
                End::MissedDeadline(missed) if missed != MissedDeadline::Idle || watch.is_leaving() => {
                    return debug!(%address, ?missed, "connection closed");
                }
                // The client may be about to send the next request; with HTTP/2 GOAWAY prevents that.
                End::Asked | End::CutOff | End::MissedDeadline(_) => {
                    connection.as_mut().graceful_shutdown();
                    watch.leave();
                }
            }
        }
    }
}

/// Agrees on TLS, if there is any; `None` if that fails.
async fn establish(stream: TcpStream, tls: Option<Tls>, peer: &mut Peer, deadlines: &Deadlines) -> Option<Transport> {
    let address = peer.address;
    // A message must not be delayed to fill a packet.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%address, %error, "cannot send small packets at once");
    }
    let Some(tls) = tls else { return Some(Transport::Plain(stream)) };
    match timeout(deadlines.handshake, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates();
            peer.certificates = shown.map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect());
            peer.secure = true;
            Some(Transport::Tls(Box::new(stream)))
        }
        Ok(Err(error)) => {
            debug!(%address, %error, "no tls with this client");
            None
        }
        Err(_) => {
            debug!(%address, "connection closed before tls was agreed on");
            None
        }
    }
}

fn log_end(address: SocketAddr, result: Result<(), BoxError>) {
    if let Err(error) = result {
        debug!(%address, %error, "connection ended");
    }
}

/// Why a connection ends, or is to end.
enum End {
    Closed(Result<(), BoxError>),
    MissedDeadline(MissedDeadline),
    CutOff,
    Asked,
}

/// Polls a connection together with its deadline, because the deadline changes while the connection is polled.
struct WatchedConnection<'a> {
    progress: &'a Progress,
    deadlines: Deadlines,
    timer: Pin<Box<Sleep>>,
    leaving: Option<Instant>,
}

impl<'a> WatchedConnection<'a> {
    fn new(progress: &'a Progress, deadlines: Deadlines) -> Self {
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { progress, deadlines, timer, leaving: None }
    }

    fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    fn leave(&mut self) {
        self.leaving.get_or_insert_with(Instant::now);
    }

    fn poll<F>(&mut self, connection: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<End>
    where
        F: Future<Output = Result<(), BoxError>>,
    {
        if let Poll::Ready(result) = connection.poll(cx) {
            return Poll::Ready(End::Closed(result));
        }
        loop {
            let Some((deadline, missed)) = self.deadline() else { return Poll::Pending };
            if deadline <= Instant::now() {
                return Poll::Ready(End::MissedDeadline(missed));
            }
            // A timer that fires too early is cheaper than one that is reset with each request.
            if self.timer.is_elapsed() || deadline < self.timer.deadline() {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
        }
    }

    fn deadline(&self) -> Option<(Instant, MissedDeadline)> {
        let usual = self.progress.deadline(&self.deadlines);
        let close = self
            .leaving
            .filter(|_| self.progress.is_waiting())
            .map(|since| (since + CLOSE_TIMEOUT, MissedDeadline::Idle));
        usual.into_iter().chain(close).min_by_key(|(deadline, _)| *deadline)
    }
}
