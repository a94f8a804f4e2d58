//! Calls that may block, on separate threads: a limited number at a time, each with a deadline, and a limited number
//! that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tributary_api::{Error, Result};

use crate::supervision::panicked;

/// How long a call waits for a permit.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(20);

/// Permits for calls of one kind. A call that never returns keeps its permit and its thread, and affects nothing else.
#[derive(Clone, Debug)]
pub(crate) struct BlockingPool {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl BlockingPool {
    /// A pool for so many calls at a time, and so many that may wait.
    pub(crate) fn new(permits: usize, limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), waiting: Arc::default(), limit }
    }

    /// Calls, and waits for the result until the deadline. `what` is the subject of the error message "… did not end
    /// within …".
    ///
    /// # Errors
    /// `Retriable` when no permit became free in time; fatal when the call panicked or has not ended by the deadline.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        what: &str,
        deadline: Duration,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R> {
        let busy =
            || Error::retriable(format!("{what} has to wait for earlier calls that have not ended: try again later"));
        let acquired = {
            let _waiting_call = WaitingCall::begin(&self.waiting, self.limit).ok_or_else(busy)?;
            tokio::time::timeout(QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await
        };
        let permit = acquired.ok().and_then(std::result::Result::ok).ok_or_else(busy)?;
        let thread = tokio::task::spawn_blocking(move || {
            let answer = call();
            drop(permit);
            answer
        });
        match tokio::time::timeout(deadline, thread).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(match error.try_into_panic() {
                Ok(panic) => panicked(what, &*panic),
                Err(_) => Error::fatal(format!("{what} was cut off: the worker is stopping")),
            }),
            Err(_) => Err(Error::fatal(format!("{what} did not end within {} ms", deadline.as_millis()))),
        }
    }
}

/// A call that waits for a permit.
struct WaitingCall<'a>(&'a AtomicUsize);

impl<'a> WaitingCall<'a> {
    fn begin(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let more = |count: usize| (count < limit).then_some(count + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(count))
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::mpsc::sync_channel;

    use futures::future::join_all;
    use parking_lot::Mutex;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn concurrency_is_limited_and_excess_calls_are_refused() {
        let blocking_pool = BlockingPool::new(2, 16);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Each call blocks until it is released.
        let (go_on, gate) = sync_channel::<()>(400);
        let gate = Arc::new(Mutex::new(gate));
        let calls = (0..400).map(|_| {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            blocking_pool.call("the look", LONG, move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.lock().recv().unwrap();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        (0..400).for_each(|_| go_on.send(()).unwrap());
        let outcomes = join_all(calls).await;
        let served = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        // Two run, sixteen wait; all others are refused at once.
        assert!((18..400).contains(&served), "{served}");
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
        let error = outcomes.into_iter().find_map(std::result::Result::err).unwrap();
        assert!(error.is_retriable() && error.to_string().contains("the look has to wait"), "{error}");
    }

    #[tokio::test]
    async fn a_call_that_never_returns_blocks_only_its_thread() {
        let blocking_pool = BlockingPool::new(2, 16);
        let (release, held) = sync_channel::<()>(1);
        let error = blocking_pool.call("the look", Duration::from_millis(20), move || held.recv()).await.unwrap_err();
        assert_eq!(error.to_string(), "the look did not end within 20 ms");
        assert_eq!(blocking_pool.call("the look", LONG, || 7).await.unwrap(), 7);
        drop(release);
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let error = BlockingPool::new(1, 1).call::<()>("the look", LONG, || panic!("no disk")).await.unwrap_err();
        assert_eq!(error.to_string(), "the plugin panicked in the look: no disk");
    }
}
