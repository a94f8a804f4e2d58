use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use tokio_rustls::TlsAcceptor;

use super::TlsError;

/// Whether clients present certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not requested.
    #[default]
    None,
    /// Optional; a certificate that cannot be verified ends the connection.
    Requested,
    /// Required.
    Required,
}

/// Text that is none of the three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthError(String);

impl FromStr for ClientAuth {
    type Err = ClientAuthError;

    fn from_str(text: &str) -> Result<Self, ClientAuthError> {
        match text {
            "none" => Ok(Self::None),
            "requested" => Ok(Self::Requested),
            "required" => Ok(Self::Required),
            _ => Err(ClientAuthError(text.to_owned())),
        }
    }
}

impl fmt::Display for ClientAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not one of none, requested, required", self.0)
    }
}

impl std::error::Error for ClientAuthError {}

/// Where the certificate and the key of a listener are.
pub trait CertificateSource: Debug + Send + Sync {
    /// Reads them. It may block.
    ///
    /// # Errors
    /// Says what to do, and shows nothing of the content.
    fn load(&self) -> Result<Material, TlsError>;
}

/// The certificate and key of a listener.
#[derive(PartialEq, Eq)]
pub struct Material {
    /// Its certificate, then those of the authorities in between.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
    /// The certificates of the authorities that clients' certificates are verified with.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The source, for errors.
    pub place: String,
}

impl Material {
    pub(super) fn acceptor(&self, client_auth: ClientAuth, only_tls13: bool) -> Result<TlsAcceptor, TlsError> {
        let unusable =
            |reason: &dyn fmt::Display| TlsError::Unusable { place: self.place.clone(), reason: reason.to_string() };
        let versions: &[_] = if only_tls13 { &[&version::TLS13] } else { &[&version::TLS13, &version::TLS12] };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .map_err(|error| unusable(&error))?;
        let builder = match self.verifier(client_auth)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(|error| unusable(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Returning clients need no full handshake, and session tickets need no memory on the server.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| unusable(&error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn verifier(&self, client_auth: ClientAuth) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        if client_auth == ClientAuth::None {
            return Ok(None);
        }
        if self.authorities.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let unusable = |reason: &dyn fmt::Display| TlsError::Unusable {
            place: self.place.clone(),
            reason: format!("a certificate of an authority is not valid: {reason}"),
        };
        let mut roots = RootCertStore::empty();
        for authority in &self.authorities {
            roots.add(authority.clone()).map_err(|error| unusable(&error))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match client_auth {
            ClientAuth::Requested => builder.allow_unauthenticated(),
            _ => builder,
        };
        builder.build().map(Some).map_err(|error| unusable(&error))
    }
}

impl Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").field("place", &self.place).finish_non_exhaustive()
    }
}
