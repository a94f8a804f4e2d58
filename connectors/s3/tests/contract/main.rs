//! The sink against the embedded S3 endpoint.
#![allow(clippy::unwrap_used)]

mod battery;
mod configuration;
mod conflicts;
mod faults;
mod objects;
mod records;
mod restarts;
mod speed;
mod support;
