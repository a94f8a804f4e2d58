//! The connector against the stand-in for SQL Server, which runs as a process: its SQLite must not be linked with what is
//! released. Nothing is captured before a test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod cleanup;
mod columns;
mod errors;
mod history;
mod server;
mod snapshots;
mod task;
mod transactions;
