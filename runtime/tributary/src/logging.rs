//! Log levels, changeable while the worker runs. A logger is a Rust module path (`tributary_worker::tasks`).

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};
use tributary_control::{LoggerLevel, Loggers};
use tributary_worker::LoggerControl;

const ROOT: &str = "root";

/// What is logged, by logger.
#[derive(Clone, Debug)]
struct Levels {
    root: LoggerLevel,
    loggers: BTreeMap<String, LoggerLevel>,
}

/// The process's log levels.
pub(crate) struct LogLevels {
    levels: Mutex<Levels>,
    filter: reload::Handle<Targets, Registry>,
}

/// Starts logging to standard error at INFO, or at what is given.
pub(crate) fn start(given: &[(String, String)]) -> Result<LogLevels> {
    let mut levels = Levels { root: level("INFO", None), loggers: BTreeMap::new() };
    for (logger, name) in given {
        let name = name.to_uppercase();
        filter_of(&name).with_context(|| format!("the level of logger {logger} is {name}: write INFO, DEBUG, ..."))?;
        levels.set(logger, &name, None);
    }
    let (filter, handle) = reload::Layer::new(levels.targets());
    let text = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(text).try_init().context("start logging")?;
    Ok(LogLevels { levels: Mutex::new(levels), filter: handle })
}

impl Levels {
    /// The loggers whose level is another one now.
    fn set(&mut self, logger: &str, name: &str, now: Option<i64>) -> Vec<String> {
        let everything = logger.eq_ignore_ascii_case(ROOT);
        if !everything {
            self.loggers.entry(logger.to_owned()).or_insert_with(|| level("", None));
        }
        let below = |other: &str| match other.strip_prefix(logger) {
            Some(rest) => rest.is_empty() || rest.starts_with('.') || rest.starts_with("::"),
            None => false,
        };
        let root = everything.then_some((ROOT, &mut self.root));
        let loggers = self.loggers.iter_mut().map(|(other, level)| (other.as_str(), level));
        let affected = root.into_iter().chain(loggers.filter(|(other, _)| everything || below(other)));
        let changing = affected.filter(|(_, level)| level.level != name);
        changing
            .map(|(other, changed)| {
                *changed = level(name, now);
                other.to_owned()
            })
            .collect()
    }

    fn targets(&self) -> Targets {
        let filter = |level: &LoggerLevel| filter_of(&level.level).unwrap_or(LevelFilter::INFO);
        let loggers = self.loggers.iter().map(|(name, level)| (name.clone(), filter(level)));
        // Tansu logs each request and each mistake of a client; what concerns us comes back as an error.
        let silent = ["sans_io", "storage", "broker", "service", "schema", "auth"]
            .map(|part| (format!("tansu_{part}"), LevelFilter::OFF));
        Targets::new().with_default(filter(&self.root)).with_targets(silent).with_targets(loggers)
    }
}

impl LoggerControl for LogLevels {
    fn levels(&self) -> Loggers {
        let Ok(levels) = self.levels.lock() else { return Loggers::new() };
        let root = std::iter::once((ROOT.to_owned(), levels.root.clone()));
        root.chain(levels.loggers.clone()).collect()
    }

    fn set(&self, logger: &str, level: &str) -> Option<Vec<String>> {
        let name = level.to_uppercase();
        filter_of(&name)?;
        let mut levels = self.levels.lock().ok()?;
        let affected = levels.set(logger, &name, Some(now_ms()));
        if let Err(error) = self.filter.reload(levels.targets()) {
            tracing::warn!(%error, logger, "could not change the log level");
        }
        Some(affected)
    }
}

fn level(name: &str, last_modified: Option<i64>) -> LoggerLevel {
    LoggerLevel { level: name.to_owned(), last_modified }
}

/// Log4j's levels; those that we do not have are the nearest one.
fn filter_of(level: &str) -> Option<LevelFilter> {
    Some(match level {
        "OFF" => LevelFilter::OFF,
        "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        "TRACE" | "ALL" => LevelFilter::TRACE,
        _ => return None,
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_holds_for_all_below_and_the_nearest_wins() {
        let mut levels = Levels { root: level("INFO", None), loggers: BTreeMap::new() };
        assert_eq!(levels.set("a::b", "DEBUG", Some(1)), ["a::b"]);
        assert_eq!(levels.set("ab", "WARN", Some(2)), ["ab"]);
        let targets = levels.targets();
        assert!(targets.would_enable("a::b::c", &Level::DEBUG) && !targets.would_enable("a", &Level::DEBUG));
        assert_eq!(levels.set("a", "TRACE", Some(3)), ["a", "a::b"]);
        assert!(levels.targets().would_enable("a::b", &Level::TRACE));
        assert!(!levels.targets().would_enable("ab", &Level::INFO));
        assert_eq!(levels.set("a", "TRACE", Some(4)), [""; 0]);
        assert_eq!(levels.set("ROOT", "ERROR", Some(5)), ["root", "a", "a::b", "ab"]);
        assert!(!levels.targets().would_enable("a::b", &Level::WARN));
    }

    #[test]
    fn unknown_levels_are_refused() {
        assert!(filter_of("LOUD").is_none());
        assert_eq!(filter_of("ALL"), Some(LevelFilter::TRACE));
    }
}
