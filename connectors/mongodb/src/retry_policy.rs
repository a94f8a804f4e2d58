use std::time::Instant;

use tributary_api::{Backoff, Error, Result};

use crate::config::RetrySettings;

/// Retries of a batch while the server does not answer, with doubling waits, until `retry.timeout.ms`.
#[derive(Debug)]
pub(crate) struct RetryPolicy {
    settings: RetrySettings,
    since: Option<Instant>,
    backoff: Backoff,
}

impl RetryPolicy {
    pub(crate) fn new(settings: RetrySettings) -> Self {
        let backoff = Backoff::new(settings.backoff, settings.backoff_max);
        Self { settings, since: None, backoff }
    }

    /// Adds a wait to an error that can be retried, or makes it fatal once the time is over. Other results stay as they
    /// are.
    pub(crate) fn apply(&mut self, done: Result<()>) -> Result<()> {
        let error = match done {
            Err(error) if error.is_retriable() => error,
            done => {
                self.since = None;
                self.backoff.reset();
                return done;
            }
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.settings.timeout {
            let what = format!("no write has come through for {:?} (retry.timeout.ms)", since.elapsed());
            let advice = "see that the server is there and has a primary, and restart the task";
            return Err(Error::fatal(format!("{what}: {advice}")).cause(&error));
        }
        Err(error.with_retry_after(self.backoff.next_wait()))
    }
}
