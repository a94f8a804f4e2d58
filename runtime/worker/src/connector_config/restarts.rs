use std::time::Duration;

use tributary_api::{Backoff, ConfigDef, PluginKind, Props, Result};

use crate::definitions::restart_keys;

/// What a connector's `errors.restart.*` properties say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RestartPolicy {
    /// None: without end.
    pub(crate) max_attempts: Option<u32>,
    first_delay: Duration,
    pub(crate) max_delay: Duration,
}

impl RestartPolicy {
    /// Reads a connector's properties: off by default for Connect's kinds, without end for processors.
    ///
    /// # Errors
    /// `Config`, naming what is wrong.
    pub(crate) fn parse(connector: &Props, kind: PluginKind) -> Result<Self> {
        let config = ConfigDef::new(restart_keys(kind)).parse(connector)?;
        let first_delay = Duration::from_millis(config.int("errors.restart.delay.ms")?);
        let max_delay = Duration::from_millis(config.int("errors.restart.delay.max.ms")?);
        Ok(Self {
            max_attempts: u32::try_from(config.int::<i64>("errors.restart.max.attempts")?).ok(),
            first_delay,
            max_delay: max_delay.max(first_delay),
        })
    }

    /// Whether tasks are started again at all.
    pub(crate) fn is_on(&self) -> bool {
        self.max_attempts != Some(0)
    }

    /// The wait before an attempt, counted from 1.
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        Backoff::new(self.first_delay, self.max_delay).after(attempt.saturating_sub(1)).next_wait()
    }
}
