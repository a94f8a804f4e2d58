use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tributary_api::time::now_ms;
use tributary_api::{Error, ErrorKind, Result};
use tributary_control::TaskId;

use super::config::Retry;
use super::{DeadLetters, ErrorConfig, FailedRecord, Failure};
use crate::tasks::TaskMetrics;

const FIRST_DELAY: Duration = Duration::from_millis(300);

/// Decides what happens to failed records; others never reach it.
pub(crate) struct ErrorOperator {
    task: TaskId,
    config: ErrorConfig,
    dead_letters: Option<DeadLetters>,
    metrics: Arc<TaskMetrics>,
    stopping: CancellationToken,
    answers_senders: AtomicBool,
}

/// The result of a retry.
#[derive(Debug, PartialEq)]
pub(crate) enum Recovery<T> {
    /// It succeeded.
    Done(T),
    /// The record is skipped: counted, logged, sent to the dead letter queue as configured.
    Skipped,
    /// The task is asked to stop: the record is read again at the next start.
    Stopped,
}

impl ErrorOperator {
    pub(crate) fn new(
        task: TaskId,
        config: ErrorConfig,
        dead_letters: Option<DeadLetters>,
        metrics: Arc<TaskMetrics>,
        stopping: CancellationToken,
    ) -> Self {
        Self { task, config, dead_letters, metrics, stopping, answers_senders: AtomicBool::new(false) }
    }

    /// From now on the plugin passes each record's outcome to its sender, which gets an error for a record that cannot
    /// be stored. Such a record is skipped, whatever `errors.tolerance` says, instead of failing the task.
    pub(crate) fn answers_senders(&self) {
        self.answers_senders.store(true, Ordering::Relaxed);
    }

    /// Whether a failed stage may be retried, so that its input must be kept.
    pub(crate) fn retries(&self) -> bool {
        self.config.retry != Retry::Never
    }

    /// Whether failed records are logged or sent to a dead letter queue.
    pub(crate) fn reports(&self) -> bool {
        self.dead_letters.is_some() || self.config.log
    }

    /// Whether log lines identify the record.
    pub(crate) fn logs_records(&self) -> bool {
        self.config.log && self.config.log_records
    }

    /// The dead letter queue, if there is one.
    pub(crate) fn dead_letters(&self) -> Option<&DeadLetters> {
        self.dead_letters.as_ref()
    }

    /// Retries a failed stage while its errors are `Retriable` and within `errors.retry.timeout`, then skips the
    /// record.
    ///
    /// # Errors
    /// When the error is not tolerated: then the task fails.
    #[cold]
    pub(crate) async fn recover<T>(
        &self,
        failure: Failure,
        subject: FailedRecord<'_>,
        mut again: impl FnMut() -> Result<T, Failure>,
    ) -> Result<Recovery<T>> {
        let started = Instant::now();
        let mut last = failure;
        for attempt in 1.. {
            let Some(delay) = self.delay(&last.error, attempt, started.elapsed()) else { break };
            self.metrics.errors.failures.add(1);
            self.metrics.errors.retries.add(1);
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Ok(Recovery::Stopped),
                () = tokio::time::sleep(delay) => {}
            }
            match again() {
                Ok(done) => return Ok(Recovery::Done(done)),
                Err(failure) => last = failure,
            }
        }
        self.give_up(&last, subject).map(|()| Recovery::Skipped)
    }

    /// Skips a record: counts it, logs it, sends it to the dead letter queue.
    ///
    /// # Errors
    /// When the error is not tolerated, or the dead letter queue refuses the record: then the task fails.
    #[cold]
    pub(crate) fn give_up(&self, failure: &Failure, subject: FailedRecord<'_>) -> Result<()> {
        let counters = &self.metrics.errors;
        counters.failures.add(1);
        counters.last_error.set(u64::try_from(now_ms()).unwrap_or_default());
        self.log(failure, subject);
        if let (Some(queue), FailedRecord::Consumed(raw)) = (&self.dead_letters, subject) {
            queue.send(raw, failure)?;
        }
        let answered = self.answers_senders.load(Ordering::Relaxed) && failure.error.kind() == ErrorKind::Data;
        if answered || self.config.tolerate_all && failure.is_tolerable() {
            counters.skipped.add(1);
            return Ok(());
        }
        counters.errors.add(1);
        let within = format!("stage {} of {}", failure.stage.name(), failure.class);
        let reason = if failure.is_tolerable() {
            "Tolerance exceeded in error handler"
        } else {
            "Unhandled exception in error handler"
        };
        Err(Error::fatal(reason).cause(&failure.error.clone().context(within)))
    }

    fn log(&self, failure: &Failure, subject: FailedRecord<'_>) {
        if !self.config.log {
            return;
        }
        let Failure { stage, class, error } = failure;
        let record = if self.config.log_records { subject.to_string() } else { String::new() };
        tracing::error!(
            %error,
            "Error encountered in task {}. Executing stage '{}' with class '{class}'{record}.",
            self.task,
            stage.name()
        );
        self.metrics.errors.logged.add(1);
    }

    /// The wait before an attempt, counted from 1: it doubles, and is random once it would exceed the maximum, as in
    /// Connect. `None` when there is no further attempt.
    pub(super) fn delay(&self, error: &Error, attempt: u32, elapsed: Duration) -> Option<Duration> {
        let left = match self.config.retry {
            Retry::Never => return None,
            Retry::For(timeout) => timeout.checked_sub(elapsed).filter(|left| !left.is_zero())?,
            Retry::Forever => Duration::MAX,
        };
        if !error.is_retriable() {
            return None;
        }
        let doubled = FIRST_DELAY.saturating_mul(1 << (attempt - 1).min(20));
        let delay = if doubled > self.config.max_delay {
            self.config.max_delay.mul_f64(rand::random_range(0.0..1.0))
        } else {
            doubled
        };
        Some(delay.max(error.retry_after().unwrap_or_default()).min(left))
    }
}
