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
use tributary_api::Result;

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
