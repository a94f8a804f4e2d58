use std::time::Duration;

use tributary_api::{ConfigDef, ConfigKey, ConfigType, Props, Result, Validator};

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
    /// Where a sink's failed records go.
    pub(crate) dead_letter_topic: Option<String>,
    pub(crate) dead_letter_replication: i32,
    pub(crate) dead_letter_headers: bool,
}

/// How long a failed step is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    For(Duration),
    Forever,
}

impl ErrorConfig {
    /// Reads the properties of a connector.
    ///
    /// # Errors
    /// `Config`, naming what is wrong.
    pub(crate) fn parse(connector: &Props) -> Result<Self> {
        let flag = |name: &str| ConfigKey::new(name, ConfigType::Boolean).default(false);
        let long = |name: &str, default: i64, least: i64| {
            ConfigKey::new(name, ConfigType::Long).default(default).validator(Validator::AtLeast(least))
        };
        let definition = ConfigDef::new([
            long("errors.retry.timeout", 0, -1),
            long("errors.retry.delay.max.ms", 60_000, 1),
            ConfigKey::new("errors.tolerance", ConfigType::String)
                .default("none")
                .validator(Validator::OneOfIgnoringCase(vec!["none".to_owned(), "all".to_owned()])),
            flag("errors.log.enable"),
            flag("errors.log.include.messages"),
            ConfigKey::new("errors.deadletterqueue.topic.name", ConfigType::String).default(""),
            ConfigKey::new("errors.deadletterqueue.topic.replication.factor", ConfigType::Short).default(3),
            flag("errors.deadletterqueue.context.headers.enable"),
        ]);
        let config = definition.parse(connector)?;
        let retry = match config.int::<i64>("errors.retry.timeout")? {
            0 => Retry::Never,
            ms => u64::try_from(ms).map_or(Retry::Forever, |ms| Retry::For(Duration::from_millis(ms))),
        };
        let topic = config.string("errors.deadletterqueue.topic.name")?;
        Ok(Self {
            retry,
            max_delay: Duration::from_millis(config.int("errors.retry.delay.max.ms")?),
            tolerate_all: config.string("errors.tolerance")?.eq_ignore_ascii_case("all"),
            log: config.boolean("errors.log.enable")?,
            log_records: config.boolean("errors.log.include.messages")?,
            dead_letter_topic: (!topic.is_empty()).then(|| topic.to_owned()),
            dead_letter_replication: config.int("errors.deadletterqueue.topic.replication.factor")?,
            dead_letter_headers: config.boolean("errors.deadletterqueue.context.headers.enable")?,
        })
    }
}
