use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a connector or task as shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceState {
    /// No worker runs it.
    Unassigned,
    /// It runs.
    Running,
    /// It keeps its resources and does nothing.
    Paused,
    /// It ended with an error, which is in the trace.
    Failed,
    /// It is about to run again.
    Restarting,
    /// It was ended on purpose (connectors only).
    Stopped,
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
        })
    }
}

/// What the operator wants of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetState {
    /// Run.
    #[default]
    Started,
    /// Keep the resources and do nothing.
    Paused,
    /// End the connector and its tasks.
    Stopped,
}

impl TargetState {
    /// The state that a request names as `initial_state`, in upper or lower case (KIP-980).
    pub fn of_initial_state(name: &str) -> Option<Self> {
        match name.to_uppercase().as_str() {
            "RUNNING" => Some(Self::Started),
            "PAUSED" => Some(Self::Paused),
            "STOPPED" => Some(Self::Stopped),
            _ => None,
        }
    }
}
