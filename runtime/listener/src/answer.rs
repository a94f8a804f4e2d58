use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;

use crate::body::RequestBody;
use crate::deadlines::Deadlines;
use crate::peer::Peer;
use crate::progress::Progress;

/// A service that adds the peer to its requests, and counts requests from their headers to the end of their responses.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    pub(crate) service: S,
    pub(crate) peer: Peer,
    pub(crate) progress: Arc<Progress>,
    pub(crate) deadlines: Deadlines,
}

/// A request that is being answered.
#[derive(Debug)]
struct InFlight(Arc<Progress>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.progress.request_begins(request.version());
        let in_flight = InFlight(Arc::clone(&self.progress));
        let mut request = request.map(|body| RequestBody::new(body, self.deadlines.body));
        request.extensions_mut().insert(self.peer.clone());
        Answer { future: self.service.call(request), in_flight: Some(in_flight) }
    }
}

pin_project! {
    /// An answer that is awaited.
    pub(crate) struct Answer<F> {
        #[pin]
        future: F,
        in_flight: Option<InFlight>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = ready!(this.future.poll(cx));
        let in_flight = this.in_flight.take();
        Poll::Ready(answered.map(|response| {
            if let Some(InFlight(progress)) = &in_flight
                && response.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                progress.upgrades();
            }
            response.map(|body| AnswerBody { body, _in_flight: in_flight })
        }))
    }
}

pin_project! {
    /// A response's body; when it is dropped, the request has ended.
    pub(crate) struct AnswerBody<B> {
        #[pin]
        body: B,
        _in_flight: Option<InFlight>,
    }
}

impl<B: Body> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
