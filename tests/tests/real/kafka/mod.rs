//! Against a real broker at `KAFKA_BOOTSTRAP` (host:port). Without one, every test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod admin;
mod consume;
mod group;
mod log;
mod produce;
mod support;
mod transactions;
