use tokio::sync::oneshot;
use tributary_api::{Error, Result};
use tributary_control::RestartRequest;

/// A request to a runner.
pub(super) enum RunnerMessage {
    /// Restart the connector's own instance and say how it went.
    RestartConnector(oneshot::Sender<Result<()>>),
    /// Restart one task.
    RestartTask(u32, oneshot::Sender<Result<()>>),
    /// Restart what the request covers.
    Restart(RestartRequest),
    /// Ask the connector again how its work divides.
    Reconfigure,
    /// The connector failed outside a call.
    ConnectorFailed(Error),
    /// End everything; the worker stops.
    Shutdown(oneshot::Sender<()>),
}
