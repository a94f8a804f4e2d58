//! The sink against a server double that speaks the wire protocol: the contract, the commands and their order, and the
//! handling of failures. The same with real servers is in the `real` tier.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod battery;
mod bulks;
mod connection;
mod double;
mod exactly_once;
mod network;
mod order;
mod refusals;
mod restarts;
mod support;
mod timeseries;
mod tls;
