use std::time::Duration;

use tributary_api::{Config, PluginKind, Result};

/// The `errors.*` properties of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorConfig {
    pub(crate) retry: Retry,
    /// The longest wait between two attempts.
    pub(crate) max_delay: Duration,
    /// A record that fails is skipped instead of failing the task.
    pub(crate) tolerate_all: bool,
    pub(crate) log: bool,
    pub(crate) log_records: bool,
    /// The topic for a sink's failed records.
    pub(crate) dead_letter_topic: Option<String>,
    pub(crate) dead_letter_replication: i32,
    pub(crate) dead_letter_headers: bool,
}

/// How long a failed stage is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    For(Duration),
    Forever,
}

impl ErrorConfig {
    /// What the framework's properties of a connector say; a source has no dead letter queue.
    ///
    /// # Errors
    /// When a property is not defined for the kind.
    pub(crate) fn of(connector: &Config, kind: PluginKind) -> Result<Self> {
        let ms = |name: &str| connector.int::<i64>(name).map(|ms| u64::try_from(ms).map(Duration::from_millis));
        let retry = match ms("errors.retry.timeout")? {
            Ok(Duration::ZERO) => Retry::Never,
            Ok(timeout) => Retry::For(timeout),
            // In Java any negative number means without a limit.
            Err(_) => Retry::Forever,
        };
        let mut config = Self {
            retry,
            // A maximum delay below 1 ms makes Java fail at the first retry; here it counts as 1 ms.
            max_delay: ms("errors.retry.delay.max.ms")?.unwrap_or_default().max(Duration::from_millis(1)),
            tolerate_all: connector.string("errors.tolerance")? == "all",
            log: connector.boolean("errors.log.enable")?,
            log_records: connector.boolean("errors.log.include.messages")?,
            dead_letter_topic: None,
            dead_letter_replication: -1,
            dead_letter_headers: false,
        };
        if kind != PluginKind::Source {
            let topic = connector.string("errors.deadletterqueue.topic.name")?;
            config.dead_letter_topic = (!topic.is_empty()).then(|| topic.to_owned());
            config.dead_letter_replication = connector.int("errors.deadletterqueue.topic.replication.factor")?;
            config.dead_letter_headers = connector.boolean("errors.deadletterqueue.context.headers.enable")?;
        }
        Ok(config)
    }
}
