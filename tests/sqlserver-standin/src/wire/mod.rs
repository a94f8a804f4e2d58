//! The protocol: packets, login, encryption, tokens, types, requests. It knows no SQL: what a client asks goes to the
//! [engine](crate::session).
//!
//! Written after the public description of the Tabular Data Stream protocol, 7.3 to 8.0.

mod answer;
mod bytes;
mod connection;
mod login;
mod packet;
mod prelogin;
mod request;
mod seed;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod transport;
mod types;

pub use prelogin::Encryption;
pub(crate) use server::{Options, Server};
