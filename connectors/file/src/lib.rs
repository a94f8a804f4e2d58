//! `FileStreamSource` and `FileStreamSink`: lines of a file to records and records to lines of a file.
//!
//! They are the reference connectors: small, complete, and held to the contract battery of `tributary-testkit`.
//!
//! - The source is at least once after a crash and exactly once where offsets and records share a transaction: a
//!   record's offset is the number of bytes up to the end of its line.
//! - The sink is at least once: committed records are synced to disk; a crash repeats lines that were not committed.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod sink;
mod source;

use tributary_api::Plugin;

/// The connectors of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![source::plugin(), sink::plugin()]
}
