mod error;
mod material;
mod pem;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio_rustls::TlsAcceptor;

pub use self::error::TlsError;
pub use self::material::{CertificateSource, ClientAuth, ClientAuthError, Material};
pub use self::pem::{Pem, PemSource};

/// The TLS settings of a listener: version 1.2 or 1.3, HTTP/2 or HTTP/1.1.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Where the certificate and its key are.
    pub source: Arc<dyn CertificateSource>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// Whether version 1.2 is refused.
    pub only_tls13: bool,
    /// How often the source is read again.
    pub reload_every: Duration,
}

impl TlsOptions {
    /// Without certificates of clients, read again every ten seconds.
    pub fn new(source: impl CertificateSource + 'static) -> Self {
        let source = Arc::new(source);
        Self { source, client_auth: ClientAuth::None, only_tls13: false, reload_every: Duration::from_secs(10) }
    }
}

/// TLS with certificates that can be replaced while it is used. Cheap to clone; clones share.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: TlsOptions,
    current: Mutex<Current>,
}

struct Current {
    material: Material,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the source. It may block.
    ///
    /// # Errors
    /// When it cannot be read, or its parts do not match.
    pub fn load(options: TlsOptions) -> Result<Self, TlsError> {
        let material = options.source.load()?;
        let acceptor = material.acceptor(options.client_auth, options.only_tls13)?;
        let current = Mutex::new(Current { material, acceptor });
        Ok(Self(Arc::new(Inner { options, current })))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.current().acceptor.clone()
    }

    pub(crate) fn reload_every(&self) -> Duration {
        self.0.options.reload_every
    }

    /// Reads the source again, and returns whether it has changed; changes apply to new connections. After an error
    /// nothing changes. It may block.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn reload(&self) -> Result<bool, TlsError> {
        let TlsOptions { source, client_auth, only_tls13, .. } = &self.0.options;
        let material = source.load()?;
        if material == self.current().material {
            return Ok(false);
        }
        let acceptor = material.acceptor(*client_auth, *only_tls13)?;
        *self.current() = Current { material, acceptor };
        Ok(true)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock()
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("material", &self.material).finish_non_exhaustive()
    }
}
