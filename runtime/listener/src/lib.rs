//! The common part of all HTTP listeners of a worker: no client can exhaust the resources of others.
//!
//! A [`Listener`] serves any hyper service, and by [`TowerToHyperService`] any axum router. From accept until close a
//! connection always has a [deadline](Deadlines), except while a request is being answered, which is up to the service.
//! [`Connections`] limits their number by the process's file descriptors and by client address. With [`Tls`] it serves
//! HTTPS, and reloads changed files.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod answer;
mod body;
mod connection;
mod connections;
mod deadlines;
mod descriptors;
mod listener;
mod peer;
mod progress;
mod socket;
mod stream;
mod throttle;
mod tls;

pub use address::{AddressLimits, NetworkError, Networks};
pub use body::RequestBody;
pub use connections::Connections;
pub use deadlines::Deadlines;
pub use descriptors::{Share, descriptor_limit, raise_descriptor_limit};
pub use hyper_util::service::TowerToHyperService;
pub use listener::{Handle, Listener, ListenerOptions};
pub use peer::Peer;
pub use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use socket::check_bindable;
pub use tls::{CertificateSource, ClientAuth, ClientAuthError, Material, Pem, PemSource, Tls, TlsError, TlsOptions};

/// The error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
