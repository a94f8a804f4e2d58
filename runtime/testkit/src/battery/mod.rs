//! What every connector must do, as checks that run against a real one.
//!
//! A connector's own tests describe it once, as a [`SourceSubject`] or [`SinkSubject`], and assert that [`source`] or
//! [`sink`] finds no [`Violation`]. Every check starts with a fresh subject and gives each call a deadline.

mod connector;
mod sink;
mod source;

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;
use tributary_api::Result;

pub use self::sink::{SinkSubject, sink};
pub use self::source::{SourceSubject, source};

/// How long a call, and the way of a record, may take unless a subject says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A promise of the contract that a connector does not keep.
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
    patience: Duration,
    what: &str,
    call: impl Future<Output = Result<T>>,
) -> std::result::Result<T, String> {
    match timeout(patience, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what} failed: {error:?}")),
        Err(_) => Err(format!("{what} did not return within {patience:?}")),
    }
}

/// Items with names that are told apart easily.
fn items(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("item-{number}")).collect()
}
