use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::BoxError;

/// A client that sends at least this much in a second never misses the deadline.
const LEAST_BYTES_PER_SECOND: u64 = 1 << 10;

/// The body of a request, which fails when it arrives too slowly.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    limit: Duration,
    bytes: u64,
    /// Created only when the body has to be waited for: most are available at once.
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    begun: Instant,
    late: Pin<Box<Sleep>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, limit: Duration) -> Self {
        Self { incoming, limit, bytes: 0, wait: None }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let earned = Duration::from_secs(self.bytes / LEAST_BYTES_PER_SECOND);
        let allowed = self.limit + earned;
        let wait = self.wait.get_or_insert_with(|| {
            let begun = Instant::now();
            Wait { begun, late: Box::pin(sleep_until(begun + allowed)) }
        });
        let deadline = wait.begun + allowed;
        if wait.late.deadline() != deadline {
            wait.late.as_mut().reset(deadline);
        }
        wait.late.as_mut().poll(cx)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_late(cx));
        let late = io::Error::new(io::ErrorKind::TimedOut, "the body is sent too slowly");
        Poll::Ready(Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
