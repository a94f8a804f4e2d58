use tributary_control::Loggers;

/// The process's log levels, held by whoever set up logging.
pub trait LoggerControl: Send + Sync {
    /// The loggers whose level was set, the root first.
    fn levels(&self) -> Loggers;

    /// Sets the level of a logger and those below it; answers their names, sorted. `None` when there is no such level.
    fn set(&self, logger: &str, level: &str) -> Option<Vec<String>>;
}
