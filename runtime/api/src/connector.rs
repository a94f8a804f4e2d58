use async_trait::async_trait;

use crate::{ConfigIssue, ConnectorContext, OffsetMap, Offsets, Props, Result};

/// Plans the work of a connector: it reads the configuration and divides the work among tasks.
///
/// Every method is called on a thread of the connector's own and under a deadline; one that panics or never
/// returns costs this connector and nothing else.
///
/// ```
/// use tributary_api::{ConfigIssue, Connector, ConnectorContext, Props, Result, async_trait};
///
/// /// Divides a list of tables among tasks.
/// #[derive(Default)]
/// struct Tables {
///     props: Props,
/// }
///
/// #[async_trait]
/// impl Connector for Tables {
///     async fn validate(&mut self, props: &Props) -> Result<Vec<ConfigIssue>> {
///         let twice = props.get("tables").is_some_and(|tables| tables.contains(",,"));
///         Ok(twice.then(|| ConfigIssue::new("tables", "a name is empty: remove a comma")).into_iter().collect())
///     }
///
///     async fn start(&mut self, _cx: ConnectorContext, props: &Props) -> Result<()> {
///         self.props = props.clone();
///         Ok(())
///     }
///
///     async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
///         let tables: Vec<&str> = self.props["tables"].split(',').collect();
///         let shares = tables.chunks(tables.len().div_ceil(max_tasks));
///         Ok(shares.map(|share| Props::from([("tables".to_owned(), share.join(","))])).collect())
///     }
/// }
/// ```
#[async_trait]
pub trait Connector: Send {
    /// Checks what the [`ConfigDef`](crate::ConfigDef) cannot: combinations of properties, access to the outside.
    /// Called on an instance that is not started. Each issue is shown on the property that it names. Where the worker bounds
    /// the producer's requests, `producer.override.max.request.size` says so here, as if the connector had set it.
    ///
    /// # Errors
    /// Shown on the property that the error [names](crate::Error::config_at), on `connector.class` if it names none.
    async fn validate(&mut self, _props: &Props) -> Result<Vec<ConfigIssue>> {
        Ok(Vec::new())
    }

    /// Starts with a valid configuration. Called once, before anything but [`validate`](Self::validate).
    ///
    /// # Errors
    /// Any error fails the connector.
    async fn start(&mut self, cx: ConnectorContext, props: &Props) -> Result<()>;

    /// The configuration of each task, at most `max_tasks`. Called again after
    /// [`ConnectorContext::request_task_reconfiguration`].
    ///
    /// # Errors
    /// The runtime tries again with growing waits.
    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>>;

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
/// use tributary_api::{Connector, ConnectorContext, Error, OffsetMap, Props, Result, SourceConnector, async_trait};
///
/// struct Lines;
///
/// #[async_trait]
/// impl Connector for Lines {
///     async fn start(&mut self, _cx: ConnectorContext, _props: &Props) -> Result<()> {
///         Ok(())
///     }
///
///     async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
///         Ok(vec![Props::new()])
///     }
/// }
///
/// #[async_trait]
/// impl SourceConnector for Lines {
///     async fn alter_offsets(&mut self, _props: &Props, offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
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
    /// offset returns all records behind it, and none before. Asked with a valid configuration, of an instance that is
    /// not started.
    ///
    /// ```
    /// use tributary_api::{ExactlyOnceSupport, Props};
    ///
    /// /// What can be read once only cannot be read again after a crash.
    /// fn exactly_once_support(props: &Props) -> ExactlyOnceSupport {
    ///     if props.contains_key("file") { ExactlyOnceSupport::Supported } else { ExactlyOnceSupport::Unsupported }
    /// }
    /// ```
    fn exactly_once_support(&self, _props: &Props) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unknown
    }

    /// Whether its tasks say where their transactions end, by a [`TransactionContext`](crate::TransactionContext): without it
    /// `transaction.boundary=connector` is refused. Asked as [`exactly_once_support`](Self::exactly_once_support) is.
    fn can_define_transaction_boundaries(&self, _props: &Props) -> bool {
        false
    }

    /// Checks offsets that an operator wants to store; `None` removes a partition's. Answers whether the offsets
    /// of the framework are all there is.
    ///
    /// # Errors
    /// `Config` when a partition or an offset is not one of this connector's.
    async fn alter_offsets(&mut self, _props: &Props, _offsets: &[(OffsetMap, Option<OffsetMap>)]) -> Result<bool> {
        Ok(false)
    }
}

/// A connector whose tasks are [`SinkTask`](crate::SinkTask)s.
///
/// ```
/// use tributary_api::{Connector, ConnectorContext, Props, Result, SinkConnector, async_trait};
///
/// /// Each task does the same with its own partitions.
/// #[derive(Default)]
/// struct Same {
///     props: Props,
/// }
///
/// #[async_trait]
/// impl Connector for Same {
///     async fn start(&mut self, _cx: ConnectorContext, props: &Props) -> Result<()> {
///         self.props = props.clone();
///         Ok(())
///     }
///
///     async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
///         Ok(vec![self.props.clone(); max_tasks])
///     }
/// }
///
/// impl SinkConnector for Same {}
/// ```
#[async_trait]
pub trait SinkConnector: Connector {
    /// Told before the consumer group's offsets are altered (an empty map: all are reset). Answers whether the
    /// offsets of the framework are all there is.
    ///
    /// # Errors
    /// `Config` when the offsets cannot be used.
    async fn alter_offsets(&mut self, _props: &Props, _offsets: &Offsets) -> Result<bool> {
        Ok(false)
    }
}
