//! The client crate against a real broker.

mod admin;
mod consume;
mod group;
mod log;
mod produce;
mod support;
mod transactions;
mod waiting;
