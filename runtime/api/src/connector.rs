use async_trait::async_trait;

use crate::{Config, ConfigIssue, ConnectorContext, OffsetMap, Offsets, Props, Result, TopicClient};

/// Plans the work of a connector: it divides the work among tasks. [`SimpleConnector`](crate::SimpleConnector) is for those
/// whose tasks all do the same.
///
/// The configuration is parsed by the plugin's [`ConfigDef`](crate::ConfigDef), and given with each call. What the framework
/// knows of the connector, such as `topics` or `name`, is among the [originals](Config::originals).
///
/// Calls are made one at a time and under a deadline, from any of the worker's threads; one that panics or never returns
/// costs this connector and nothing else.
///
/// ```
/// use tributary_api::{Config, Connector, Props, Result, async_trait};
///
/// /// Divides a list of tables among tasks.
/// struct Tables;
///
/// #[async_trait]
/// impl Connector for Tables {
///     async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
///         let tables = config.list("tables")?;
///         let shares: Vec<_> = tables.chunks(tables.len().div_ceil(max_tasks).max(1)).collect();
///         let mut tasks = config.for_tasks(shares.len());
///         for (task, share) in tasks.iter_mut().zip(shares) {
///             task.insert("tables".to_owned(), share.join(","));
///         }
///         Ok(tasks)
///     }
/// }
/// ```
#[async_trait]
pub trait Connector: Send {
    /// Asks the outside what the [`ConfigDef`](crate::ConfigDef) cannot know; combinations of properties are for
    /// [`ConfigDef::check`](crate::ConfigDef::check). Called on an instance that is not started, with a configuration that
    /// parses. Each issue is shown on the property that it names. Where the worker bounds the producer's requests,
    /// `producer.override.max.request.size` says so here, as if the connector had set it.
    ///
    /// # Errors
    /// Shown on the property that the error [names](crate::Error::config_at), on `connector.class` if it names none.
    async fn validate(&mut self, _config: &Config) -> Result<Vec<ConfigIssue>> {
        Ok(Vec::new())
    }

    /// The topic writers and readers that its tasks open with settings from the configuration, so that a setting which their
    /// clients would refuse is refused with the configuration. Called as [`validate`](Self::validate) is, beside it: it must
    /// not ask the outside.
    ///
    /// # Errors
    /// As for [`validate`](Self::validate).
    fn topic_clients(&self, _config: &Config) -> Result<Vec<TopicClient>> {
        Ok(Vec::new())
    }

    /// Starts what the connector itself does beside its tasks, if anything. Called once, before anything but
    /// [`validate`](Self::validate) and [`topic_clients`](Self::topic_clients).
    ///
    /// # Errors
    /// Any error fails the connector.
    async fn start(&mut self, _cx: ConnectorContext, _config: &Config) -> Result<()> {
        Ok(())
    }

    /// The configuration of each task, at most `max_tasks`. Called again after
    /// [`ConnectorContext::request_task_reconfiguration`].
    ///
    /// # Errors
    /// The runtime tries again with growing waits.
    async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>>;

    /// Ends; also called after a failed start.
    ///
    /// # Errors
    /// Logged.
    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Whether a source can be exactly-once with the given configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExactlyOnceSupport {
    /// It can.
    Supported,
    /// It cannot.
    Unsupported,
    /// The plugin does not say.
    Unknown,
}

/// A connector whose tasks are [`SourceTask`](crate::SourceTask)s.
///
/// ```
/// use tributary_api::{Config, Connector, Error, OffsetMap, Props, Result, SourceConnector, async_trait};
///
/// struct Lines;
///
/// #[async_trait]
/// impl Connector for Lines {
///     async fn task_configs(&mut self, config: &Config, _max_tasks: usize) -> Result<Vec<Props>> {
///         Ok(config.for_tasks(1))
///     }
/// }
///
/// #[async_trait]
/// impl SourceConnector for Lines {
///     async fn alter_offsets(&mut self, _config: &Config, offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
///         match offsets.iter().flat_map(|(_, offset)| offset).find(|offset| offset.int("line").is_none()) {
///             Some(wrong) => Err(Error::config(format!("{wrong:?} has no line: write one as a number"))),
///             None => Ok(true),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait SourceConnector: Connector {
    /// Whether offsets and records written in one transaction make it exactly-once: whether a task that starts from a stored
    /// offset returns all records after it, and none before. Asked with a valid configuration, of an instance that is
    /// not started.
    ///
    /// ```
    /// use tributary_api::{Config, ExactlyOnceSupport};
    ///
    /// /// What can be read once only cannot be read again after a crash.
    /// fn exactly_once_support(config: &Config) -> ExactlyOnceSupport {
    ///     match config.optional_string("file") {
    ///         Ok(Some(_)) => ExactlyOnceSupport::Supported,
    ///         _ => ExactlyOnceSupport::Unsupported,
    ///     }
    /// }
    /// ```
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unknown
    }

    /// Whether its tasks say where their transactions end, by a [`TransactionContext`](crate::TransactionContext): without it
    /// `transaction.boundary=connector` is refused. Asked as [`exactly_once_support`](Self::exactly_once_support) is.
    fn can_define_transaction_boundaries(&self, _config: &Config) -> bool {
        false
    }

    /// Checks offsets that an operator wants to store; `None` removes a partition's. Answers whether the offsets
    /// of the framework are all there is.
    ///
    /// # Errors
    /// `Config` when a partition or an offset is not one of this connector's.
    async fn alter_offsets(&mut self, _config: &Config, _offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        Ok(false)
    }
}

/// A connector whose tasks are [`SinkTask`](crate::SinkTask)s.
///
/// ```
/// use tributary_api::{Config, Connector, Offsets, Props, Result, SinkConnector, async_trait};
///
/// /// Each task does the same with its own partitions.
/// struct Same;
///
/// #[async_trait]
/// impl Connector for Same {
///     async fn task_configs(&mut self, config: &Config, max_tasks: usize) -> Result<Vec<Props>> {
///         Ok(config.for_tasks(max_tasks))
///     }
/// }
///
/// #[async_trait]
/// impl SinkConnector for Same {
///     /// Nothing but the group's offsets says what is written.
///     async fn alter_offsets(&mut self, _config: &Config, _offsets: &Offsets) -> Result<bool> {
///         Ok(true)
///     }
/// }
/// ```
#[async_trait]
pub trait SinkConnector: Connector {
    /// Called before the consumer group's offsets are altered (an empty map: all are reset). Answers whether the
    /// offsets of the framework are all there is.
    ///
    /// # Errors
    /// `Config` when the offsets cannot be used.
    async fn alter_offsets(&mut self, _config: &Config, _offsets: &Offsets) -> Result<bool> {
        Ok(false)
    }
}
