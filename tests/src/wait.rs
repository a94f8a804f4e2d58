use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Repeats `check` until it returns a value; fails after `timeout` with `what` was waited for, but not before a last check
/// that began after it: the machine may have stood still for most of the time.
pub async fn wait_for<T, F, Answer>(timeout: Duration, what: &str, mut check: F) -> Result<T>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let is_last = begun.elapsed() >= timeout;
        if let Some(value) = check().await {
            return Ok(value);
        }
        if is_last {
            bail!("{what} did not happen within {timeout:?}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// [`wait_for`] with a condition that holds or does not.
pub async fn wait_until<F, Answer>(timeout: Duration, what: &str, mut check: F) -> Result<()>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = bool>,
{
    wait_for(timeout, what, || {
        let answer = check();
        async move { answer.await.then_some(()) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_with_the_first_value() {
        let mut calls = 0;
        let value = wait_for(Duration::from_secs(5), "three calls", || {
            calls += 1;
            let calls = calls;
            async move { (calls == 3).then_some(calls) }
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_check_that_took_all_the_time_is_not_the_last_one() {
        let mut calls = 0;
        let value = wait_for(Duration::from_millis(5), "the second call", || {
            calls += 1;
            let calls = calls;
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                (calls == 2).then_some(calls)
            }
        });
        assert_eq!(value.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn names_what_did_not_come() {
        let error = wait_until(Duration::from_millis(5), "the moon", || async { false }).await.unwrap_err();
        assert!(error.to_string().contains("the moon"));
    }
}
