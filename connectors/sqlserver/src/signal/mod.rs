//! Signals: what somebody asks of a running connector, by a row of the signal table, a record of a topic or a line of a
//! file.

mod action;
mod channels;
mod file;
mod follow;
mod topic;

pub(crate) use self::channels::{Arrived, Channels};

/// Types of the rows that the connector itself writes into the signal table, around each chunk of a snapshot.
pub(crate) const WINDOW_OPEN: &str = "snapshot-window-open";
pub(crate) const WINDOW_CLOSE: &str = "snapshot-window-close";

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// A JSON object, or nothing.
    pub(crate) data: String,
}
