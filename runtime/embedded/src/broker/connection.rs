//! One client connection: length-prefixed request frames in, response frames out, in order.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use rama::{Context, Service as _};
use tansu_sans_io::{Body, Frame, Header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::routes::Routes;

/// Largest request, in bytes: Kafka's default for `socket.request.max.bytes`. What is not Kafka's protocol mostly
/// reads as a larger one and ends the connection before memory is taken for it.
const MAX_REQUEST: usize = 100 * 1024 * 1024;

/// Taken at once for a request; a larger one grows with the bytes that really arrive.
const FIRST_READ: usize = 64 * 1024;

const LENGTH: usize = 4;

/// Serves `stream` until the client leaves, breaks the protocol, or `closing` is cancelled between two requests.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, routes: Routes, closing: CancellationToken) {
    match exchange(stream, &routes, &closing).await {
        Ok(()) => debug!(%peer, "connection closed"),
        Err(error) => debug!(%peer, %error, "connection ended"),
    }
}

async fn exchange(
    mut stream: TcpStream,
    routes: &Routes,
    closing: &CancellationToken,
) -> Result<(), tansu_broker::Error> {
    stream.set_nodelay(true)?;
    loop {
        let request = tokio::select! {
            request = read_request(&mut stream) => request?,
            () = closing.cancelled() => None,
        };
        let Some(request) = request else { return Ok(()) };
        if let Some(response) = answer(request, routes).await? {
            stream.write_all(&response).await?;
        }
    }
}

/// The next request with its length prefix; `None` when the client has left.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Bytes>> {
    let mut prefix = [0; LENGTH];
    if stream.read(&mut prefix[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut prefix[1..]).await?;
    let length = usize::try_from(i32::from_be_bytes(prefix)).ok().filter(|length| *length <= MAX_REQUEST);
    let Some(length) = length else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "request is larger than the broker accepts"));
    };

    let whole = LENGTH + length;
    let mut request = BytesMut::with_capacity(whole.min(FIRST_READ));
    request.extend_from_slice(&prefix);
    let mut rest = stream.take(length as u64);
    while request.len() < whole {
        if rest.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(request.freeze()))
}

/// The response frame; `None` for a produce request that wants no acknowledgement.
async fn answer(request: Bytes, routes: &Routes) -> Result<Option<Bytes>, tansu_broker::Error> {
    let request = Frame::request_from_bytes(request)?;
    let api_key = request.api_key()?;
    let api_version = request.api_version()?;
    let correlation_id = request.correlation_id()?;
    let silent = matches!(&request.body, Body::ProduceRequest(produce) if produce.acks == 0);

    let response = routes.serve(Context::default(), request).await?;
    if silent {
        return Ok(None);
    }
    let header = Header::Response { correlation_id };
    Ok(Some(Frame::response(header, without_features(response.body), api_key, api_version)?))
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
