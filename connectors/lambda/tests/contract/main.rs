//! The sink against a front that answers as Lambda does.
#![allow(clippy::unwrap_used)]

mod access;
mod batches;
mod battery;
mod configuration;
mod errors;
mod model;
mod payloads;
mod properties;
mod reports;
mod restarts;
mod role;
mod support;
mod tls;
mod waiting;
