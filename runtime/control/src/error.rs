use std::fmt;

/// The result of every call of the interface.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request cannot be answered; each one is one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 400: the request is wrong.
    BadRequest,
    /// 403: switched off.
    Forbidden,
    /// 404: there is no such thing.
    NotFound,
    /// 409: not now, or it is there already.
    Conflict,
    /// 500: the worker could not do it.
    Internal,
    /// 503: not ready yet.
    Unavailable,
}

impl Status {
    /// The HTTP status code.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// A refusal, with the text that the client reads. The texts of Kafka Connect are kept: clients match them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub status: Status,
    /// The text.
    pub message: String,
}

impl Error {
    /// A refusal.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Status::NotFound, message)
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Status::BadRequest, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Status::Conflict, message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Status::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<tributary_api::Error> for Error {
    fn from(error: tributary_api::Error) -> Self {
        let status = match error.kind() {
            tributary_api::ErrorKind::Config => Status::BadRequest,
            _ => Status::Internal,
        };
        Self::new(status, error.to_string())
    }
}
