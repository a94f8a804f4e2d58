//! The real Debezium connector for SQL Server, unmodified, in the real Java Connect worker, against the stand-in: the
//! records that it writes to Kafka are checked against the SQL that caused them.
//!
//! `cargo xtask test` runs it. By itself it is skipped, as it starts three JVMs and takes minutes, unless
//! `STANDIN_DEBEZIUM` is 1.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod connect;
mod evolution;
mod isolations;
mod modes;
mod replay;
mod require;
mod restart;
mod rig;
mod setup;
mod signals;
mod streaming;
mod topics;
mod transactions;
mod types;
