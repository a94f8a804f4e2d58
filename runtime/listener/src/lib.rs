//! What all HTTP listeners of a worker have in common, so that a visitor costs a visitor.
//!
//! A [`Listener`] serves any hyper service, and by [`TowerToHyperService`] any axum router. From the moment a
//! connection is accepted until it is closed some [deadline](Deadlines) runs, but for the time in which a request of it
//! is being answered: that time is the service's. [`Connections`] bounds how many there are, by what the process may
//! have of file descriptors, and by client address. With [`Tls`] it speaks HTTPS, and follows its files.
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
pub use tls::{CertificateSource, ClientAuth, ClientAuthError, Material, Pem, PemSource, Tls, TlsError, TlsOptions};

/// The error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
