//! What tiberius sees of the engine: values of each type, locks of others, faults that were asked for, rights, and what is
//! left of a process that was killed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod connection;
mod faults;
mod locks;
mod process;
mod rights;
