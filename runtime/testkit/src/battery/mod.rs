//! The contract of connectors, transforms and converters, as checks that run against a real one.
//!
//! A plugin's own tests describe it once, as a [`SourceSubject`], [`SinkSubject`], [`TransformationSubject`] or
//! [`ConverterSubject`], and assert that [`source`], [`sink`], [`transformation`] or [`converter`] finds no [`Violation`].
//! Every check of a connector starts with a fresh subject and gives each call a deadline.

mod connector;
mod converter;
mod sink;
mod source;
mod transformation;
mod values;

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;
use tributary_api::{Plugin, Props, Result};

pub use self::converter::{ConverterSubject, converter};
pub use self::sink::{SinkSubject, sink};
pub use self::source::{SourceSubject, source};
pub use self::transformation::{TransformationSubject, transformation};

/// The default limit for a call and for the delivery of a record.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A violation of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// The outcome of one check: what is wrong, in words.
type Checked = std::result::Result<(), String>;

/// What the checks have found so far.
struct Findings(Vec<Violation>);

impl Findings {
    /// Begins with the checks that every plugin has.
    fn of_definition(plugin: &Plugin, props: &Props) -> Self {
        let mut found = Self(Vec::new());
        found.note("is described", connector::is_described(plugin));
        found.note("accepts its configuration", connector::accepts_its_configuration(plugin, props));
        found.note("rejects what is missing", connector::rejects_what_is_missing(plugin, props));
        found.note("defines secrets as such", connector::defines_secrets_as_such(plugin));
        found
    }

    /// Begins with the checks that every connector has.
    async fn of_connector(plugin: &Plugin, props: &Props, call_timeout: Duration) -> Self {
        let mut found = Self::of_definition(plugin, props);
        found.note("hides secrets", connector::hides_secrets(plugin, props, call_timeout).await);
        found.note("validates the valid", connector::validates_the_valid(plugin, props, call_timeout).await);
        found.note(
            "keeps to the number of tasks",
            connector::keeps_to_the_number_of_tasks(plugin, props, call_timeout).await,
        );
        found.note("stops at any time", connector::stops_at_any_time(plugin, props, call_timeout).await);
        found
    }

    fn note(&mut self, check: &'static str, checked: Checked) {
        if let Err(what) = checked {
            self.0.push(Violation { check, what });
        }
    }
}

/// Awaits a call of the connector, which must end in time and without an error.
async fn call<T>(
    call_timeout: Duration,
    what: &str,
    call: impl Future<Output = Result<T>>,
) -> std::result::Result<T, String> {
    match timeout(call_timeout, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what} failed: {error:?}")),
        Err(_) => Err(format!("{what} did not return within {call_timeout:?}")),
    }
}

/// Items with easily distinguished names.
fn items(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("item-{number}")).collect()
}
