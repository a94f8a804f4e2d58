//! Kafka Connect's REST API over the control interface.
//!
//! A handler parses a request, calls the [`Herder`](tributary_control::Herder) and writes its answer; everything about
//! HTTP and JSON is here. Status codes, messages and formats are those of Kafka Connect 4.3.1, as recorded in
//! `tests/goldens`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod admin;
mod basic_auth;
mod body;
mod connectors;
mod cors;
mod deadline;
mod definition;
mod dto;
mod error;
#[cfg(test)]
mod fuzz;
mod https;
mod internal;
mod jaas;
mod jackson;
mod keystore;
mod listener_url;
mod loopback;
mod methods;
mod negotiation;
mod nulls;
mod offsets;
mod options;
mod params;
mod plugins;
mod response_headers;
mod root;
mod router;
mod server;
mod starting;
mod tasks;
mod transforms;

pub use axum::Router;
pub use https::from_props as tls;
pub use listener_url::ListenerUrl;
pub use options::{MetricsText, RestOptions};
pub use router::{admin_router, router};
pub use server::Server;
pub use starting::starting;
