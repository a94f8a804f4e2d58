//! The client crate against a real broker.

mod admin;
mod consume;
mod group;
mod log;
mod produce;
pub(super) mod support;
mod transactions;
mod unconfirmed;
mod waiting;
