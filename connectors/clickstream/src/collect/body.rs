use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::Instant;

use super::budget::{BudgetExhausted, Reservation};
use super::encoding::Encoding;

/// A body that occupies more than this must arrive at the minimum rate below. A smaller one may take the whole request
/// timeout, because phones lose their network for a while.
const UNLIMITED_TIME_BYTES: usize = 64 << 10;
/// The minimum number of bytes in each period.
const MIN_BYTES_PER_PERIOD: usize = 16 << 10;
const RATE_PERIOD: Duration = Duration::from_secs(2);

/// Why a body is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Longer than allowed, compressed or decompressed.
    TooLong { max_bytes: usize },
    /// So many times longer than its compressed form that it was made to occupy memory.
    TooDense { ratio: usize },
    /// An unknown encoding.
    Encoding,
    /// Broken off, or not what its encoding says.
    Bad(String),
    /// It occupies memory and arrives too slowly.
    TooSlow,
    /// The memory budget is exhausted.
    BudgetExhausted(BudgetExhausted),
}

impl From<BudgetExhausted> for BodyError {
    fn from(full: BudgetExhausted) -> Self {
        Self::BudgetExhausted(full)
    }
}

/// A body as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) encoding: Encoding,
}

/// Reads a body. Memory is reserved as it arrives, not by its announced length, so that an announcement takes no memory
/// from others.
pub(super) async fn receive(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    reservation: &mut Reservation,
) -> Result<Received, BodyError> {
    let named = headers.get(CONTENT_ENCODING).map_or(&b""[..], |encoding| encoding.as_bytes());
    let encoding = Encoding::of_name(named).ok_or(BodyError::Encoding)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > max) {
        return Err(BodyError::TooLong { max_bytes: max });
    }
    let mut first = Bytes::new();
    let mut rest = ReservedBuffer::default();
    let mut rate = TransferRate::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = rate.next(&mut chunks).await? {
        let chunk = chunk.map_err(|error| BodyError::Bad(format!("the body broke off: {error}")))?;
        let length = first.len() + rest.bytes.len() + chunk.len();
        if length > max {
            return Err(BodyError::TooLong { max_bytes: max });
        }
        rate.came(chunk.len());
        // Most bodies are one chunk, which is then the body without a copy.
        if first.is_empty() && rest.bytes.is_empty() {
            reservation.grow(chunk.len())?;
            first = chunk;
            continue;
        }
        if rest.bytes.is_empty() {
            rest.append(&first, max, reservation)?;
            reservation.shrink(std::mem::take(&mut first).len());
        }
        rest.append(&chunk, max, reservation)?;
    }
    let bytes = if rest.bytes.is_empty() { first } else { rest.bytes.into() };
    Ok(Received { bytes, encoding })
}

/// A buffer that reserves memory as it grows.
#[derive(Debug, Default)]
pub(super) struct ReservedBuffer {
    pub(super) bytes: Vec<u8>,
}

impl ReservedBuffer {
    pub(super) fn append(&mut self, more: &[u8], max: usize, reservation: &mut Reservation) -> Result<(), BodyError> {
        let length = self.bytes.len() + more.len();
        if length > max {
            return Err(BodyError::TooLong { max_bytes: max });
        }
        let capacity = self.bytes.capacity();
        if length > capacity {
            let wanted = capacity.saturating_mul(2).clamp(length, max);
            reservation.grow(wanted - capacity)?;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

/// Measures how fast a body arrives.
struct TransferRate {
    held: usize,
    came: usize,
    until: Instant,
}

impl TransferRate {
    fn new() -> Self {
        Self { held: 0, came: 0, until: Instant::now() + RATE_PERIOD }
    }

    fn came(&mut self, bytes: usize) {
        self.held += bytes;
        self.came += bytes;
    }

    async fn next<S: StreamExt + Unpin>(&mut self, chunks: &mut S) -> Result<Option<S::Item>, BodyError> {
        loop {
            if let Ok(next) = tokio::time::timeout_at(self.until, chunks.next()).await {
                return Ok(next);
            }
            if self.held > UNLIMITED_TIME_BYTES && self.came < MIN_BYTES_PER_PERIOD {
                return Err(BodyError::TooSlow);
            }
            self.came = 0;
            self.until = Instant::now() + RATE_PERIOD;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::stream;

    use super::super::budget::{Budget, BudgetLimits};
    use super::*;
    use crate::http::Client;

    const MAX: usize = 1000;

    fn budget(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget::new(BudgetLimits { events: 1, bytes, bytes_per_client: bytes }))
    }

    async fn read_all(encoding: &str, body: Body, bytes: usize) -> Result<Received, BodyError> {
        let mut headers = HeaderMap::new();
        if !encoding.is_empty() {
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        receive(&headers, body, MAX, &mut budget(bytes).reserve(Client::UNKNOWN)).await
    }

    #[tokio::test]
    async fn chunks_become_one_text() {
        let chunks = ["{\"a\":", "1", "}"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())));
        let body = Body::from_stream(stream::iter(chunks));
        assert_eq!(read_all("", body, 100).await.unwrap().bytes, Bytes::from("{\"a\":1}"));
    }

    #[tokio::test]
    async fn length_memory_and_form_are_bounded() {
        assert_eq!(read_all("", vec![b'x'; 1001].into(), 9999).await, Err(BodyError::TooLong { max_bytes: 1000 }));
        assert_eq!(
            read_all("", vec![b'x'; 101].into(), 100).await,
            Err(BodyError::BudgetExhausted(BudgetExhausted::All))
        );
        for other in ["compress", "gzip, br", "x"] {
            assert_eq!(read_all(other, "x".into(), 100).await, Err(BodyError::Encoding), "{other}");
        }
    }

    /// A body that announces much, sends chunks, and then nothing more.
    async fn stalled(chunks: Vec<Vec<u8>>, budget: Arc<Budget>) -> Result<Received, BodyError> {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
        let body = Body::from_stream(stream::iter(chunks).chain(stream::pending()));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, "1000000".parse().unwrap());
        let mut reservation = budget.reserve(Client::UNKNOWN);
        receive(&headers, body, 1_000_000, &mut reservation).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_declared_length_alone_reserves_no_memory() {
        let budget = budget(1000);
        let announced = tokio::time::timeout(Duration::from_secs(9), stalled(vec![vec![b'x']], budget.clone()));
        tokio::pin!(announced);
        assert!(futures::poll!(announced.as_mut()).is_pending());
        assert_eq!(budget.used(), (0, 1));
        // It occupies almost no memory, and may be slow.
        assert!(announced.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_with_a_large_buffer_must_make_progress() {
        let begun = Instant::now();
        let stalled = stalled(vec![vec![b'x'; UNLIMITED_TIME_BYTES + 1]], budget(1_000_000));
        let answer = tokio::time::timeout(10 * RATE_PERIOD, stalled).await;
        assert_eq!(answer.unwrap(), Err(BodyError::TooSlow));
        assert!(begun.elapsed() <= 2 * RATE_PERIOD);
    }
}
