//! The contract of connectors, transforms and converters, as checks that run against a real plugin.
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
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A violation of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// A description of the violation.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// The result of one check; the error describes the violation.
type Checked = std::result::Result<(), String>;

/// The violations that were found so far.
struct Findings(Vec<Violation>);

impl Findings {
    /// Starts with the checks that apply to every plugin.
    fn of_definition(plugin: &Plugin, props: &Props) -> Self {
        let mut found = Self(Vec::new());
        found.note("is documented", connector::is_documented(plugin));
        found.note("accepts its configuration", connector::accepts_its_configuration(plugin, props));
        found.note("rejects a missing property", connector::rejects_a_missing_property(plugin, props));
        found.note("gives secrets the type password", connector::gives_secrets_the_type_password(plugin));
        found
    }

    /// Starts with the checks that apply to every connector.
    async fn of_connector(plugin: &Plugin, props: &Props, call_timeout: Duration) -> Self {
        let mut found = Self::of_definition(plugin, props);
        found.note("hides secrets", connector::hides_secrets(plugin, props, call_timeout).await);
        found.note(
            "finds no issue in the valid configuration",
            connector::finds_no_issue_in_the_valid_configuration(plugin, props, call_timeout).await,
        );
        found.note(
            "makes no more tasks than allowed",
            connector::makes_no_more_tasks_than_allowed(plugin, props, call_timeout).await,
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

/// Distinct items, named after their numbers.
fn items(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("item-{number}")).collect()
}
