use tributary_api::Error;

/// What ends reading.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Changes that were not read yet are not there any more: of what, and since where.
    Lost(String),
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
            Self::Error(error) => error,
            Self::Lost(what) => Error::fatal(format!(
                "changes were removed before they were read: {what}; set snapshot.mode=when_needed to read the tables anew, \
                 and let the cleanup job keep changes for longer than the connector may be stopped"
            )),
        }
    }
}
