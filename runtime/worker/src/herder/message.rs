use tokio::sync::oneshot;
use tributary_api::{Error, Result};
use tributary_control::RestartRequest;

/// A request to a runner.
pub(super) enum RunnerMessage {
    /// Restart the connector's own instance and answer with the outcome.
    RestartConnector(oneshot::Sender<Result<()>>),
    /// Restart one task.
    RestartTask(u32, oneshot::Sender<Result<()>>),
    /// Restart the connector and tasks that the request covers.
    Restart(RestartRequest),
    /// Ask the connector for its task configurations again.
    Reconfigure,
    /// The connector failed outside a call.
    ConnectorFailed(Error),
    /// Stop everything, because the worker stops.
    Shutdown(oneshot::Sender<()>),
}
