use std::sync::Arc;

use tributary_api::Error;

use crate::record::TableSchema;

/// Why reading ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Changes were removed before they were read. The text says of which table, and from which position on.
    Lost(String),
    /// A table was altered after its structure was read: the structure that is known, and the error that showed the
    /// difference.
    Altered(Arc<TableSchema>, Error),
    /// A capture instance that was listed no longer exists.
    Missing(Error),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// The error that fails the task.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Error(error) | Self::Missing(error) | Self::Altered(_, error) => error,
            Self::Lost(what) => Error::fatal(format!(
                "changes were removed before they were read: {what}; set snapshot.mode=when_needed to read the tables again, \
                 and let the cleanup job keep changes for longer than the connector may be stopped; for a database in \
                 which nothing may be changed for as long, set heartbeat.interval.ms, so that its position is stored"
            )),
        }
    }
}

/// The error that fails the task when `errors.max.retries` is reached. A retriable one would not: the runtime would call `poll`
/// again, and nobody reads any more.
pub(crate) fn no_more_retries(failures: u32, error: &Error) -> Error {
    Error::fatal(format!("failed {failures} times in a row, and errors.max.retries allows no more")).cause(error)
}
