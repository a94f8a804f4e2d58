use std::fmt;

use tributary_control::Loggers;

/// The process's log levels; implemented by the code that sets up logging.
pub trait LoggerControl: Send + Sync {
    /// The loggers whose level was set, the root first.
    fn levels(&self) -> Loggers;

    /// Whether a level can be set.
    ///
    /// # Errors
    /// When there is no such level, or the maximum number of levels or length of a name is exceeded.
    fn check(&self, logger: &str, level: &str) -> Result<(), LoggerRefusal>;

    /// Sets the level of a logger and those below it; answers their names, sorted.
    ///
    /// # Errors
    /// When there is no such level, or too much would be kept.
    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, LoggerRefusal>;
}

/// For a worker embedded in a process that manages its own log levels: it shows none and sets none.
#[derive(Clone, Copy, Debug)]
pub struct NoLoggers;

impl LoggerControl for NoLoggers {
    fn levels(&self) -> Loggers {
        Loggers::default()
    }

    fn check(&self, _logger: &str, _level: &str) -> Result<(), LoggerRefusal> {
        Err(LoggerRefusal::NoLevel)
    }

    fn set(&self, _logger: &str, _level: &str) -> Result<Vec<String>, LoggerRefusal> {
        Err(LoggerRefusal::NoLevel)
    }
}

/// Why a level was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggerRefusal {
    /// There is no such level.
    NoLevel,
    /// This many loggers have a level of their own already, which is the maximum.
    TooMany(usize),
    /// The name has more than this many bytes.
    TooLong(usize),
}

impl fmt::Display for LoggerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLevel => f.write_str("there is no such level"),
            Self::TooMany(most) => {
                write!(f, "{most} loggers have a level of their own: set that of one of them, or of root, instead")
            }
            Self::TooLong(most) => write!(f, "the name of a logger may have {most} bytes at the most"),
        }
    }
}
