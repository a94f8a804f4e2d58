//! Change data capture as SQL sees it, without the wire.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod administration;
mod cleanup;
mod ddl;
mod functions;
mod scans;
mod shop;
mod workload;
