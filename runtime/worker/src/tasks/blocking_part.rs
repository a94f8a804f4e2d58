use tributary_api::{Error, Result};

/// What blocks when it is used and when it is dropped, such as a consumer. During a call it is on a thread that may block,
/// and here between two calls.
pub(crate) struct BlockingPart<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> BlockingPart<T> {
    pub(crate) fn new(part: T) -> Self {
        Self(Some(part))
    }

    /// # Errors
    /// Those of the call; fatal after a call that was cancelled, which has kept the part.
    pub(crate) async fn call<R: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R> {
        let gone = || Error::fatal("an earlier call of this reader was cancelled");
        let mut part = self.0.take().ok_or_else(gone)?;
        let (part, outcome) = blocking(move || {
            let outcome = call(&mut part);
            (part, outcome)
        })
        .await?;
        self.0 = Some(part);
        Ok(outcome)
    }
}

impl<T: Send + 'static> Drop for BlockingPart<T> {
    fn drop(&mut self) {
        let Some(part) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // It is not awaited: closing has its own time limit.
            drop(runtime.spawn_blocking(move || drop(part)));
        }
    }
}

/// Calls on a thread that may block.
///
/// # Errors
/// Fatal when the call panics.
pub(crate) async fn blocking<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> Result<R> {
    let failed = |error: tokio::task::JoinError| Error::fatal("reading a topic failed").cause(&error);
    tokio::task::spawn_blocking(call).await.map_err(failed)
}
