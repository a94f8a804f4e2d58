//! A server for tests that ordinary clients of SQL Server take for SQL Server, with change data capture that behaves as
//! SQL Server's does. What it supports is in the README.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "its parts wait for the engine that joins them")]

mod cdc;
mod clock;
pub mod data;
mod faults;
mod locks;
mod session;
mod sql;
mod wire;

pub use wire::Encryption;
