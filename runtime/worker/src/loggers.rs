use std::fmt;

use tributary_control::Loggers;

/// The process's log levels, held by whoever set up logging.
pub trait LoggerControl: Send + Sync {
    /// The loggers whose level was set, the root first.
    fn levels(&self) -> Loggers;

    /// Whether a level can be set.
    ///
    /// # Errors
    /// When there is no such level, or too much would be kept.
    fn check(&self, logger: &str, level: &str) -> Result<(), LoggerRefusal>;

    /// Sets the level of a logger and those below it; answers their names, sorted.
    ///
    /// # Errors
    /// When there is no such level, or too much would be kept.
    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, LoggerRefusal>;
}

/// For a worker in a process whose log levels are none of its business: it shows none, and sets none.
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
    /// So many loggers have a level of their own already.
    TooMany(usize),
    /// The name has more bytes than this.
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
