//! The interface between the REST API and the engine: the requests to a worker and their answers.
//!
//! REST depends on this crate and on the contract, never on the engine; the engine implements [`Herder`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answers;
mod error;
mod herder;
mod offsets;
mod state;

pub use answers::{
    ActiveTopics, ConnectorInfo, ConnectorState, ConnectorStatus, ConnectorType, Created, Health, HealthStatus,
    LoggerLevel, Loggers, Measure, PluginInfo, Processing, Progress, Stage, TaskId, TaskInfo, TaskProgress, TaskState,
    TaskStatus, ValidationResult, WorkerInfo,
};
pub use error::{Error, Result, Status};
pub use herder::{ConnectorPatch, CreateRequest, Herder, RestartRequest};
pub use offsets::{ConnectorOffset, ConnectorOffsets};
pub use state::{InstanceState, TargetState};
