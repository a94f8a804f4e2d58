//! Certificates and keys in Java's stores: PKCS #12, the default of `keytool` since Java 9, whatever a file's name is.

use std::path::{Path, PathBuf};

use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::x509::X509Ref;
use tributary_api::read_small_file;
use tributary_listener::{CertificateDer, CertificateSource, Material, Pem, PrivateKeyDer, TlsError};

const MAX_BYTES: u64 = 16 << 20;
/// The first bytes of a JKS file.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// One store.
pub(crate) enum Store {
    Pem { certificates: Pem, key: Pem },
    Java { path: PathBuf, password: String },
}

/// The key store and the trust store of a listener.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) keys: Store,
    pub(crate) trusted: Option<Store>,
}

impl CertificateSource for Stores {
    fn load(&self) -> Result<Material, TlsError> {
        let authorities = self.trusted.as_ref().map(Store::certificates).transpose()?.unwrap_or_default();
        let (chain, key) = self.keys.identity()?;
        Ok(Material { chain, key, authorities, place: format!("{:?}", self.keys) })
    }
}

impl Store {
    fn identity(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let (path, password) = match self {
            Self::Pem { certificates, key } => return Ok((certificates.certificates()?, key.key()?)),
            Self::Java { path, password } => (path, password),
        };
        let ParsedPkcs12_2 { pkey, cert, ca } = parse(path, password)?;
        let missing = |what| TlsError::Missing { place: path.display().to_string(), what };
        let (key, cert) = (pkey.ok_or_else(|| missing("private key"))?, cert.ok_or_else(|| missing("certificate"))?);
        let key = key.private_key_to_pkcs8().map_err(|_| missing("usable private key"))?;
        let key = PrivateKeyDer::try_from(key).map_err(|_| missing("usable private key"))?;
        let chain = std::iter::once(der(path, &cert)).chain(ca.iter().flatten().map(|cert| der(path, cert)));
        Ok((chain.collect::<Result<_, _>>()?, key))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let (path, password) = match self {
            Self::Pem { certificates, .. } => return certificates.certificates(),
            Self::Java { path, password } => (path, password),
        };
        let ParsedPkcs12_2 { cert, ca, .. } = parse(path, password)?;
        let certificates: Vec<_> =
            cert.iter().map(|cert| der(path, cert)).chain(ca.iter().flatten().map(|cert| der(path, cert))).collect();
        match certificates.is_empty() {
            true => Err(TlsError::Missing { place: path.display().to_string(), what: "certificate" }),
            false => certificates.into_iter().collect(),
        }
    }
}

fn parse(path: &Path, password: &str) -> Result<ParsedPkcs12_2, TlsError> {
    let bytes = read_small_file(path, MAX_BYTES).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let shown = path.display();
    if bytes.starts_with(&JKS) {
        return Err(TlsError::Source(format!(
            "{shown} is a store in the format JKS, which only Java reads: convert it with keytool -importkeystore \
             -srckeystore {shown} -destkeystore STORE.p12 -deststoretype PKCS12, and name STORE.p12"
        )));
    }
    let store = Pkcs12::from_der(&bytes).map_err(|_| {
        TlsError::Source(format!("{shown} is neither PKCS #12 nor PEM: for PEM set the store's type to PEM"))
    })?;
    store.parse2(password).map_err(|_| {
        TlsError::Source(format!(
            "{shown} cannot be opened: correct its password; if it is old, create it again with keytool \
             -importkeystore, because its ciphers are obsolete"
        ))
    })
}

fn der(path: &Path, certificate: &X509Ref) -> Result<CertificateDer<'static>, TlsError> {
    let der = certificate.to_der();
    let place = path.display().to_string();
    der.map(CertificateDer::from).map_err(|_| TlsError::Missing { place, what: "usable certificate" })
}

/// Does not show the password.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pem { certificates, .. } => write!(f, "{certificates:?}"),
            Self::Java { path, .. } => write!(f, "{}", path.display()),
        }
    }
}
