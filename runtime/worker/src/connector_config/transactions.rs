use std::time::Duration;

use tributary_api::{Config, Result};

use crate::settings::{ExactlyOnce, WorkerSettings};

/// Where the transactions of a source's tasks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionBoundary {
    /// After each batch that a task returns.
    Poll,
    /// This long after they began.
    Interval(Duration),
    /// Where the connector says.
    Connector,
}

impl TransactionBoundary {
    /// What a source's properties say; none where the worker writes no source records in transactions.
    ///
    /// # Errors
    /// When a property is not defined for the kind.
    pub(super) fn of(connector: &Config, worker: &WorkerSettings) -> Result<Option<Self>> {
        if worker.exactly_once != ExactlyOnce::Enabled {
            return Ok(None);
        }
        Ok(Some(match connector.string("transaction.boundary")?.to_ascii_lowercase().as_str() {
            "interval" => {
                let given = connector.optional_int("transaction.boundary.interval.ms")?;
                Self::Interval(given.map_or(worker.offset_flush_interval, Duration::from_millis))
            }
            "connector" => Self::Connector,
            _ => Self::Poll,
        }))
    }
}
