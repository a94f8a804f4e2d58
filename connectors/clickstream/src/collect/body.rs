use std::io::Read;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tributary_api::ByteString;

use super::budget::{Full, Reservation};
use super::config::Limits;

const INFLATE_STEP: usize = 16 << 10;

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Longer than allowed, as sent or inflated.
    TooLong { max_bytes: usize },
    /// An encoding other than gzip.
    Encoding,
    /// Broken off, not gzip, or not UTF-8.
    Bad(String),
    /// No memory at the moment.
    Full,
}

impl From<Full> for BodyError {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

/// Reads a body and inflates it. Its memory is reserved as it comes, so that many slow senders cannot take more than
/// there is.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
    room: &mut Reservation,
) -> Result<ByteString, BodyError> {
    let gzip = match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(BodyError::Encoding),
    };
    let bytes = receive(headers, body, limits.wire_bytes, room).await?;
    let bytes = if gzip { inflate(&bytes, limits.inflated_bytes, room)? } else { bytes };
    ByteString::try_from(bytes).map_err(|error| BodyError::Bad(format!("not UTF-8: {error}")))
}

async fn receive(headers: &HeaderMap, body: Body, max: usize, room: &mut Reservation) -> Result<Bytes, BodyError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let announced = announced.unwrap_or(0);
    if announced > max {
        return Err(BodyError::TooLong { max_bytes: max });
    }
    room.grow(announced)?;
    let mut reserved = announced;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| BodyError::Bad(format!("the body broke off: {error}")))?;
        let length = first.len() + rest.len() + chunk.len();
        if length > max {
            return Err(BodyError::TooLong { max_bytes: max });
        }
        if length > reserved {
            room.grow(length - reserved)?;
            reserved = length;
        }
        // Most bodies are one chunk, which is then the body without a copy.
        if first.is_empty() && rest.is_empty() {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(length.max(announced));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&chunk);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn inflate(gzip: &[u8], max: usize, room: &mut Reservation) -> Result<Bytes, BodyError> {
    let mut decoder = MultiGzDecoder::new(gzip);
    let mut inflated = Vec::with_capacity(gzip.len().saturating_mul(4).min(max));
    let mut step = vec![0; INFLATE_STEP];
    loop {
        let count = decoder.read(&mut step).map_err(|error| BodyError::Bad(format!("not gzip: {error}")))?;
        if count == 0 {
            return Ok(inflated.into());
        }
        if inflated.len() + count > max {
            return Err(BodyError::TooLong { max_bytes: max });
        }
        room.grow(count)?;
        inflated.extend_from_slice(&step[..count]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::budget::Budget;
    use super::*;

    const LIMITS: Limits = Limits { wire_bytes: 1000, inflated_bytes: 5000, events: 10 };

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn read_all(encoding: &str, body: Body, room: usize) -> Result<ByteString, BodyError> {
        let mut headers = HeaderMap::new();
        if !encoding.is_empty() {
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        let mut reserved = Arc::new(Budget::new(1, room)).reserve();
        read(&headers, body, LIMITS, &mut reserved).await
    }

    #[tokio::test]
    async fn chunks_become_one_text() {
        let chunks = ["{\"a\":", "1", "}"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())));
        let body = Body::from_stream(futures::stream::iter(chunks));
        assert_eq!(read_all("", body, 100).await, Ok(ByteString::from("{\"a\":1}")));
    }

    #[tokio::test]
    async fn a_bomb_is_not_inflated_to_its_end() {
        let bomb = gzip(&vec![b' '; 200_000]);
        assert!(bomb.len() < LIMITS.wire_bytes);
        let answer = read_all("gzip", bomb.into(), 100_000).await;
        assert_eq!(answer, Err(BodyError::TooLong { max_bytes: 5000 }));
        assert_eq!(read_all("gzip", gzip(b"{}").into(), 100_000).await, Ok(ByteString::from("{}")));
    }

    #[tokio::test]
    async fn length_memory_and_form_are_bounded() {
        assert_eq!(read_all("", vec![b'x'; 1001].into(), 9999).await, Err(BodyError::TooLong { max_bytes: 1000 }));
        assert_eq!(read_all("", vec![b'x'; 101].into(), 100).await, Err(BodyError::Full));
        assert_eq!(read_all("br", "x".into(), 100).await, Err(BodyError::Encoding));
        assert!(matches!(read_all("gzip", "x".into(), 100).await, Err(BodyError::Bad(_))));
        assert!(matches!(read_all("", vec![0xff].into(), 100).await, Err(BodyError::Bad(_))));
    }
}
