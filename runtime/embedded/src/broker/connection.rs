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
use super::slots::ConnectionSlot;

/// The initial buffer of a request; for a larger one it grows with the bytes that arrive.
const FIRST_READ: usize = 64 * 1024;

/// The memory of all unanswered requests of a broker, beyond [`FIRST_READ`] for each. A request that exceeds it is
/// disconnected; its client tries again.
const REQUEST_MEMORY: usize = 256 * 1024 * 1024;
const MEMORY_UNIT: usize = 1024;

const LENGTH: usize = 4;
/// The length and the kind of a request, with which a request begins.
const PREFIX: usize = LENGTH + 2;

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionTimeouts {
    /// Until the first request: a client asks for the versions at once.
    first: Duration,
    /// Between two requests. A member of a group sends heartbeats every few seconds.
    between: Duration,
    /// From the first to the last byte of a request, and likewise of a response.
    transfer: Duration,
}

impl Default for ConnectionTimeouts {
    fn default() -> Self {
        // Ten minutes are Kafka's default for `connections.max.idle.ms`.
        let [first, between, transfer] = [10, 600, 30].map(Duration::from_secs);
        Self { first, between, transfer }
    }
}

/// Shared by the connections of a broker.
#[derive(Clone)]
pub(super) struct Connections {
    routes: Routes,
    memory: Arc<Semaphore>,
    timeouts: ConnectionTimeouts,
    closing: CancellationToken,
}

impl Connections {
    /// Cancelling `closing` ends each connection between two requests.
    pub(super) fn new(routes: Routes, timeouts: ConnectionTimeouts, closing: CancellationToken) -> Self {
        Self { routes, memory: Arc::new(Semaphore::new(REQUEST_MEMORY / MEMORY_UNIT)), timeouts, closing }
    }

    /// Serves `stream` until the client disconnects, violates the protocol or is idle for too long, until its slot is
    /// needed for another connection, or the broker closes.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr, slot: ConnectionSlot) {
        match self.exchange(stream, &slot).await {
            Ok(why) => debug!(%peer, why, "connection closed"),
            Err(error) => debug!(%peer, %error, "connection ended"),
        }
    }

    async fn exchange(
        &self,
        mut stream: TcpStream,
        slot: &ConnectionSlot,
    ) -> Result<&'static str, tansu_broker::Error> {
        stream.set_nodelay(true)?;
        let ConnectionTimeouts { first, between, transfer } = self.timeouts;
        let mut silence = first;
        loop {
            let mut prefix = [0; PREFIX];
            tokio::select! {
                begun = stream.read(&mut prefix[..1]) => if begun? == 0 { return Ok("the client left") },
                () = self.closing.cancelled() => return Ok("the broker closes"),
                () = slot.wanted() => return Ok("its place is needed"),
                () = tokio::time::sleep(silence) => return Ok("it said nothing"),
            }
            slot.busy();
            let request = tokio::select! {
                request = timeout(transfer, self.read_request(&mut stream, prefix)) => request.map_err(too_slow)??,
                () = self.closing.cancelled() => return Ok("the broker closes"),
            };
            if let Some(response) = self.answer(request).await? {
                timeout(transfer, stream.write_all(&response)).await.map_err(too_slow)??;
            }
            silence = between;
            slot.idle();
        }
    }

    /// Reads the request whose first byte has arrived.
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
        let mut memory = None;
        let mut rest = stream.take((whole - PREFIX) as u64);
        while bytes.len() < whole {
            if rest.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.reserve(&mut memory, bytes.len().saturating_sub(FIRST_READ))?;
        }
        request::check(&bytes[LENGTH..])?;
        Ok(Request { bytes: bytes.freeze(), _room: memory })
    }

    /// Reserves memory for this many bytes: those that have arrived, not the announced length.
    fn reserve(&self, memory: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> io::Result<()> {
        let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(MEMORY_UNIT).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let full = || io::Error::new(io::ErrorKind::OutOfMemory, "too many large requests at a time");
        let missing = u32::try_from(missing).map_err(|_| full())?;
        let more = Arc::clone(&self.memory).try_acquire_many_owned(missing).map_err(|_| full())?;
        match memory {
            Some(memory) => memory.merge(more),
            None => *memory = Some(more),
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

/// A whole request with its length prefix, and its reserved memory until it is answered.
struct Request {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

fn too_slow(_: tokio::time::error::Elapsed) -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Tagged fields that hold their defaults need not be sent, and clients with librdkafka before 2.1 (kcat in many
/// distributions) cannot parse them.
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
