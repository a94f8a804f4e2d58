//! The same work for the Java worker and for Tributary, on one broker: what they answer and what they write must be the
//! same.
#![allow(clippy::unwrap_used)]

mod cdc;
mod https;
mod rest;
