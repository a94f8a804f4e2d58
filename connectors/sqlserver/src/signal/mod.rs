//! Signals: requests to a running connector, by a row in the signal table, a record in a topic or a line in a file.

mod action;
mod channels;
mod file;
mod follow;
mod structures;
mod topic;

pub(crate) use self::channels::{Channels, ReceivedSignal};

/// Types of the rows that the connector itself writes into the signal table, before and after each chunk of a snapshot.
pub(crate) const WINDOW_OPEN: &str = "snapshot-window-open";
pub(crate) const WINDOW_CLOSE: &str = "snapshot-window-close";

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// A JSON object, or empty.
    pub(crate) data: String,
}
