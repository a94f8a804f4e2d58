use std::sync::Arc;

use tributary_api::Error;

use crate::record::TableSchema;

/// What ends reading.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Changes that were not read yet are not there any more: of what, and since where.
    Lost(String),
    /// A table was altered since it was looked at: what it is known as, and why that is not right any more.
    Altered(Arc<TableSchema>, Error),
    /// A capture instance that was listed is not there.
    Missing(Error),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// The error that the task ends with.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Error(error) | Self::Missing(error) | Self::Altered(_, error) => error,
            Self::Lost(what) => Error::fatal(format!(
                "changes were removed before they were read: {what}; set snapshot.mode=when_needed to read the tables anew, \
                 and let the cleanup job keep changes for longer than the connector may be stopped"
            )),
        }
    }
}
