//! Waits between retries. A request is tried again by the client, `s3.part.retries` times; then the whole batch is put again
//! by the worker, until it is stored.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use tributary_api::{Config, Error, Result};

/// How the client tries a request again: `s3.part.retries` tries, the first after `s3.retry.backoff.ms`.
pub(crate) fn of_requests(config: &Config) -> Result<RetryConfig> {
    let tries: u32 = config.int("s3.part.retries")?;
    let first = Duration::from_millis(config.int("s3.retry.backoff.ms")?);
    Ok(RetryConfig::standard().with_max_attempts(tries.max(1)).with_initial_backoff(first))
}

/// The wait before a failed batch is put again (`retry.backoff.ms`), unless the error asks for another one.
pub(crate) fn of_batches(done: Result<()>, backoff: Duration) -> Result<()> {
    done.map_err(|error: Error| match error.retry_after() {
        None if error.is_retriable() => error.with_retry_after(backoff),
        _ => error,
    })
}
