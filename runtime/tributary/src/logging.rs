//! Log levels, changeable while the worker runs. A logger is a Rust module path (`tributary_worker::tasks`).

use std::collections::BTreeMap;
use std::io::IsTerminal;

use anyhow::Context;
use parking_lot::Mutex;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};
use tributary_api::time::now_ms;
use tributary_control::{LoggerLevel, Loggers};
use tributary_worker::{LoggerControl, LoggerRefusal, Redaction};

const ROOT: &str = "root";
/// How many loggers may have a level of their own, and how long their names may be: they are never removed.
const MAX_LOGGERS: usize = 1_000;
const MAX_NAME_BYTES: usize = 256;

/// The levels of loggers.
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

/// Starts logging to standard error at INFO, or at the given levels. Secrets known to the redaction are hidden.
pub(crate) fn start(given: &[(String, String)], redaction: Redaction) -> anyhow::Result<LogLevels> {
    let mut levels = Levels { root: level("INFO", None), loggers: BTreeMap::new() };
    for (logger, name) in given {
        let name = name.to_uppercase();
        filter_of(&name).with_context(|| format!("the level of logger {logger} is {name}: write INFO, DEBUG, ..."))?;
        levels.set(logger, &name, None);
    }
    let (filter, handle) = reload::Layer::new(levels.targets());
    let text = fmt::layer()
        .fmt_fields(plain(redaction))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(filter).with(text).try_init().context("start logging")?;
    Ok(LogLevels { levels: Mutex::new(levels), filter: handle })
}

/// Formats fields as `name=value` and the message without a name, on one line. Control characters are escaped, so that
/// a value cannot start a new line or control a terminal.
fn plain(redaction: Redaction) -> impl for<'w> FormatFields<'w> + Clone + 'static {
    let field = move |writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        let text = format!("{value:?}");
        for character in redaction.apply(&text).chars() {
            match is_control(character) {
                true => write!(writer, "{}", character.escape_default())?,
                false => writer.write_char(character)?,
            }
        }
        Ok(())
    };
    debug_fn(field).delimited(" ")
}

/// Including Unicode line breaks and changes of the writing direction.
fn is_control(character: char) -> bool {
    let unicode = ['\u{2028}', '\u{2029}', '\u{200e}', '\u{200f}', '\u{feff}'].contains(&character);
    character.is_control()
        || unicode
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character)
}

impl Levels {
    /// The level's name in capitals, if it can be set.
    fn check(&self, logger: &str, level: &str) -> Result<String, LoggerRefusal> {
        let name = level.to_uppercase();
        filter_of(&name).ok_or(LoggerRefusal::NoLevel)?;
        if logger.len() > MAX_NAME_BYTES {
            return Err(LoggerRefusal::TooLong(MAX_NAME_BYTES));
        }
        let known = logger.eq_ignore_ascii_case(ROOT) || self.loggers.contains_key(logger);
        match known || self.loggers.len() < MAX_LOGGERS {
            true => Ok(name),
            false => Err(LoggerRefusal::TooMany(MAX_LOGGERS)),
        }
    }

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
        // These crates log each request and each client error, at any length; relevant failures are returned as errors.
        let silent =
            ["tansu_sans_io", "tansu_storage", "tansu_broker", "tansu_service", "tansu_schema", "tansu_auth", "s3s"]
                .map(|part| (part.to_owned(), LevelFilter::OFF));
        // This one warns at each connection of what a configuration asks for, which the connector logs once.
        let repeated = [("tiberius::client::tls_stream".to_owned(), LevelFilter::ERROR)];
        let targets = Targets::new().with_default(filter(&self.root));
        targets.with_targets(silent).with_targets(repeated).with_targets(loggers)
    }
}

impl LoggerControl for LogLevels {
    fn levels(&self) -> Loggers {
        let levels = self.levels.lock();
        let root = std::iter::once((ROOT.to_owned(), levels.root.clone()));
        root.chain(levels.loggers.clone()).collect()
    }

    fn check(&self, logger: &str, level: &str) -> Result<(), LoggerRefusal> {
        let levels = self.levels.lock();
        levels.check(logger, level).map(drop)
    }

    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, LoggerRefusal> {
        let mut levels = self.levels.lock();
        let name = levels.check(logger, level)?;
        let affected = levels.set(logger, &name, Some(now_ms()));
        if let Err(error) = self.filter.reload(levels.targets()) {
            tracing::warn!(%error, logger, "could not change the log level");
        }
        Ok(affected)
    }
}

fn level(name: &str, last_modified: Option<i64>) -> LoggerLevel {
    LoggerLevel { level: name.to_owned(), last_modified }
}

/// Log4j's levels, mapped to the nearest one.
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
        let (tls, below) = ("tiberius::client::tls_stream", "tiberius::client::tls_stream::rustls_tls_stream");
        assert!(
            !levels.targets().would_enable(below, &Level::WARN)
                && levels.targets().would_enable("tiberius", &Level::ERROR)
        );
        levels.set(tls, "WARN", None);
        assert!(levels.targets().would_enable(below, &Level::WARN), "who asks for it has it");
    }

    #[test]
    fn only_so_many_loggers_of_so_long_names_are_kept() {
        let mut levels = Levels { root: level("INFO", None), loggers: BTreeMap::new() };
        for number in 0..MAX_LOGGERS {
            let name = format!("logger{number}");
            assert!(levels.check(&name, "debug").is_ok());
            levels.set(&name, "DEBUG", None);
        }
        assert_eq!(levels.check("one.more", "DEBUG"), Err(LoggerRefusal::TooMany(MAX_LOGGERS)));
        assert_eq!(levels.check("logger7", "warn"), Ok("WARN".to_owned()));
        assert_eq!(levels.check("Root", "INFO"), Ok("INFO".to_owned()));
        assert_eq!(levels.check(&"x".repeat(257), "INFO"), Err(LoggerRefusal::TooLong(256)));
        assert_eq!(levels.check("logger7", "LOUD"), Err(LoggerRefusal::NoLevel));
    }

    /// Where the lines of a test go.
    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_value_makes_no_line_of_its_own_and_no_colour() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer =
            fmt::layer().fmt_fields(plain(Redaction::default())).with_writer(move || writer.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let file = "x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[31mred\u{202e}\u{2028}";
            let error = std::io::Error::other(file);
            tracing::warn!(file, %error, ?file, "cannot write {file}");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap_or_default();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(is_control), "{text:?}");
        assert!(text.contains(r"cannot write x\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[31mred\u{202e}"), "{text}");
        assert!(text.contains(r"error=x\n2026"), "{text}");
    }

    #[test]
    fn unknown_levels_are_refused() {
        assert!(filter_of("LOUD").is_none());
        assert_eq!(filter_of("ALL"), Some(LevelFilter::TRACE));
    }
}
