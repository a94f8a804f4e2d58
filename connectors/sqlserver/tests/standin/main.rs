//! The connector against the stand-in for SQL Server. The stand-in runs as a process of its own, because its SQLite
//! must not be linked into the product. It captures nothing until a test tells it to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aliases;
mod blocking;
mod changes;
mod cleanup;
mod columns;
mod errors;
mod faults;
mod history;
mod keys;
mod many;
mod restarts;
mod server;
mod signal_faults;
mod signals;
mod snapshots;
mod structure_signals;
mod task;
mod topic_signals;
mod transactions;
