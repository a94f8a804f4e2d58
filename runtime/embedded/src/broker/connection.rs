//! One client connection: length-prefixed request frames in, response frames out, in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rama::{Context, Service as _};
use tansu_sans_io::{Body, Frame, Header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::request;
use super::routes::Routes;
use super::seats::Seat;

/// Taken at once for a request; a larger one grows with the bytes that really arrive.
const FIRST_READ: usize = 64 * 1024;

/// Bytes that all requests of a broker may have beyond [`FIRST_READ`] until they are answered. One that finds no room is
/// hung up on; its client tries again.
const ROOM: usize = 256 * 1024 * 1024;
const ROOM_UNIT: usize = 1024;

const LENGTH: usize = 4;
/// The length and the kind of a request, with which a request begins.
const PREFIX: usize = LENGTH + 2;

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until it asks at all: a client asks for the versions right away.
    first: Duration,
    /// Between two requests. Whoever is in a group says something every few seconds.
    between: Duration,
    /// From the first byte of a request to its last one, and the same for what is sent.
    transfer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // Ten minutes are Kafka's default for `connections.max.idle.ms`.
        let [first, between, transfer] = [10, 600, 30].map(Duration::from_secs);
        Self { first, between, transfer }
    }
}

/// What the connections of a broker share.
#[derive(Clone)]
pub(super) struct Connections {
    routes: Routes,
    room: Arc<Semaphore>,
    patience: Patience,
    closing: CancellationToken,
}

impl Connections {
    /// Cancelling `closing` ends each connection between two requests.
    pub(super) fn new(routes: Routes, patience: Patience, closing: CancellationToken) -> Self {
        Self { routes, room: Arc::new(Semaphore::new(ROOM / ROOM_UNIT)), patience, closing }
    }

    /// Serves `stream` until the client leaves, breaks the protocol or says nothing for too long, until its seat is wanted
    /// for somebody else, or the broker closes.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        match self.exchange(stream, &seat).await {
            Ok(why) => debug!(%peer, why, "connection closed"),
            Err(error) => debug!(%peer, %error, "connection ended"),
        }
    }

    async fn exchange(&self, mut stream: TcpStream, seat: &Seat) -> Result<&'static str, tansu_broker::Error> {
        stream.set_nodelay(true)?;
        let Patience { first, between, transfer } = self.patience;
        let mut silence = first;
        loop {
            let mut prefix = [0; PREFIX];
            tokio::select! {
                begun = stream.read(&mut prefix[..1]) => if begun? == 0 { return Ok("the client left") },
                () = self.closing.cancelled() => return Ok("the broker closes"),
                () = seat.wanted() => return Ok("its place is needed"),
                () = tokio::time::sleep(silence) => return Ok("it said nothing"),
            }
            seat.busy();
            let request = tokio::select! {
                request = timeout(transfer, self.read_request(&mut stream, prefix)) => request.map_err(too_slow)??,
                () = self.closing.cancelled() => return Ok("the broker closes"),
            };
            if let Some(response) = self.answer(request).await? {
                timeout(transfer, stream.write_all(&response)).await.map_err(too_slow)??;
            }
            silence = between;
            seat.idle();
        }
    }

    /// The request whose first byte has come.
    async fn read_request(&self, stream: &mut TcpStream, mut prefix: [u8; PREFIX]) -> io::Result<Request> {
        stream.read_exact(&mut prefix[1..LENGTH]).await?;
        let [a, b, c, d, ..] = prefix;
        let length = request::check_length(i32::from_be_bytes([a, b, c, d]))?;
        stream.read_exact(&mut prefix[LENGTH..]).await?;
        let [.., first, second] = prefix;
        request::check_kind(i16::from_be_bytes([first, second]), length)?;

        let whole = LENGTH + length;
        let mut bytes = BytesMut::with_capacity(whole.min(FIRST_READ));
        bytes.extend_from_slice(&prefix);
        let mut room = None;
        let mut rest = stream.take((whole - PREFIX) as u64);
        while bytes.len() < whole {
            if rest.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.charge(&mut room, bytes.len().saturating_sub(FIRST_READ))?;
        }
        request::check(&bytes[LENGTH..])?;
        Ok(Request { bytes: bytes.freeze(), _room: room })
    }

    /// Makes `room` cover so many bytes: what has arrived counts, not what was promised.
    fn charge(&self, room: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> io::Result<()> {
        let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(ROOM_UNIT).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let full = || io::Error::new(io::ErrorKind::OutOfMemory, "too many large requests at a time");
        let missing = u32::try_from(missing).map_err(|_| full())?;
        let more = Arc::clone(&self.room).try_acquire_many_owned(missing).map_err(|_| full())?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    /// The response frame; `None` for a produce request that wants no acknowledgement.
    async fn answer(&self, request: Request) -> Result<Option<Bytes>, tansu_broker::Error> {
        let Request { bytes, _room } = request;
        let request = Frame::request_from_bytes(bytes)?;
        let api_key = request.api_key()?;
        let api_version = request.api_version()?;
        let correlation_id = request.correlation_id()?;
        let silent = matches!(&request.body, Body::ProduceRequest(produce) if produce.acks == 0);

        let response = self.routes.serve(Context::default(), request).await?;
        if silent {
            return Ok(None);
        }
        let header = Header::Response { correlation_id };
        Ok(Some(Frame::response(header, without_features(response.body), api_key, api_version)?))
    }
}

/// A whole request with its length prefix, and the room that it takes until it is answered.
struct Request {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

fn too_slow(_: tokio::time::error::Elapsed) -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Tagged fields that hold their defaults need not be sent, and clients on librdkafka before 2.1 (kcat in many
/// distributions) stumble over them.
fn without_features(mut body: Body) -> Body {
    if let Body::ApiVersionsResponse(versions) = &mut body {
        versions.supported_features = None;
        versions.finalized_features_epoch = None;
        versions.finalized_features = None;
        versions.zk_migration_ready = None;
    }
    body
}

#[cfg(test)]
mod tests;
