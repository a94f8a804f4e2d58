use async_trait::async_trait;

use crate::{ConfigIssue, ConnectorContext, OffsetMap, Offsets, Props, Result};

/// Plans the work of a connector: it reads the configuration and divides the work among tasks.
///
/// Every method is called on a thread of the connector's own and under a deadline; one that panics or never
/// returns costs this connector and nothing else.
#[async_trait]
pub trait Connector: Send {
    /// Checks what the [`ConfigDef`](crate::ConfigDef) cannot: combinations of properties, access to the outside.
    /// Called on an instance that is not started. Each issue is shown on the property that it names. Where the worker bounds
    /// the producer's requests, `producer.override.max.request.size` says so here, as if the connector had set it.
    ///
    /// # Errors
    /// Only when the check itself cannot be made.
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
#[async_trait]
pub trait SourceConnector: Connector {
    /// Whether offsets and records written in one transaction make it exactly-once.
    fn exactly_once_support(&self, _props: &Props) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unknown
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
