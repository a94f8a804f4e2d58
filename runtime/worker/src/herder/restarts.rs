//! The failures of a task in a row, and when it is restarted.

use std::time::Duration;

use tokio::time::Instant;

use crate::connector_config::RestartPolicy;

/// The consecutive failures of one task since its last start on request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures {
    count: u32,
    started: Instant,
    /// When it is to be restarted.
    pub(super) due: Option<Instant>,
    /// The task's last end has been handled.
    pub(super) noticed: bool,
}

impl Failures {
    /// For a task that is started on request.
    pub(super) fn none() -> Self {
        Self { count: 0, started: Instant::now(), due: None, noticed: false }
    }

    /// For a task that is restarted after a failure.
    pub(super) fn restarted(self) -> Self {
        Self { started: Instant::now(), due: None, noticed: false, ..self }
    }

    /// The task has failed. Returns the number of the restart and the wait before it; none when it is not to be
    /// restarted. A task that ran for longer than the maximum wait was healthy: its failures are counted from zero.
    pub(super) fn failed(&mut self, policy: &RestartPolicy) -> Option<(u32, Duration)> {
        self.noticed = true;
        if self.started.elapsed() > policy.max_delay {
            self.count = 0;
        }
        if policy.max_attempts.is_some_and(|max| self.count >= max) {
            return None;
        }
        self.count = self.count.saturating_add(1);
        let delay = policy.delay(self.count);
        self.due = Some(Instant::now() + delay);
        Some((self.count, delay))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::{PluginKind, Props};

    use super::*;

    fn policy(kind: PluginKind, pairs: &[(&str, &str)]) -> RestartPolicy {
        let props = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RestartPolicy::parse(&props, kind).unwrap()
    }

    #[test]
    fn connectors_are_not_restarted_unless_they_ask_and_processors_are() {
        assert!(!policy(PluginKind::Source, &[]).is_on());
        assert!(!policy(PluginKind::Sink, &[]).is_on());
        assert!(policy(PluginKind::Sink, &[("errors.restart.max.attempts", "3")]).is_on());
        assert_eq!(policy(PluginKind::Processor, &[]).max_attempts, None);
        assert!(!policy(PluginKind::Processor, &[("errors.restart.max.attempts", "0")]).is_on());
        let wrong = Props::from([("errors.restart.max.attempts".to_owned(), "-2".to_owned())]);
        let error = RestartPolicy::parse(&wrong, PluginKind::Sink).unwrap_err();
        assert!(error.to_string().contains("errors.restart.max.attempts"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_the_maximum_and_attempts_end() {
        let pairs = [
            ("errors.restart.max.attempts", "4"),
            ("errors.restart.delay.ms", "100"),
            ("errors.restart.delay.max.ms", "350"),
        ];
        let policy = policy(PluginKind::Source, &pairs);
        let mut failures = Failures::none();
        for (attempt, most) in [(1, 100), (2, 200), (3, 350), (4, 350)] {
            let (count, delay) = failures.failed(&policy).unwrap();
            let most = Duration::from_millis(most);
            assert!(count == attempt && delay >= most / 2 && delay <= most, "{count} {delay:?}");
            failures = failures.restarted();
        }
        assert_eq!(failures.failed(&policy), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_healthy_period_resets_the_restart_count() {
        let policy = policy(PluginKind::Processor, &[("errors.restart.delay.max.ms", "5000")]);
        let mut failures = Failures::none();
        for _ in 0..3 {
            failures.failed(&policy).unwrap();
            failures = failures.restarted();
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(failures.failed(&policy).unwrap().0, 4);
        failures = failures.restarted();
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(failures.failed(&policy).unwrap().0, 1);
    }
}
