//! One HTTP listener per address, shared by the connectors that name it.

mod answer;
mod authenticator;
mod client;
mod cors;
mod device;
mod listeners;
mod routes;
mod server;
mod session_keys;
mod settings;
mod transport;

pub(crate) use self::answer::{empty, json, refuse, retry_later, unavailable, with_header};
pub(crate) use self::authenticator::{Denied, SessionAuthenticator, query};
pub(crate) use self::client::Client;
pub(crate) use self::cors::Cors;
pub(crate) use self::device::says_yes;
pub use self::listeners::Listeners;
pub(crate) use self::listeners::{PathLease, PathRequest};
pub(crate) use self::routes::Endpoint;
pub(crate) use self::settings::{HttpSettings, check, config_keys};
pub(crate) use self::transport::check_files;
