use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{CertificateSource, Material, TlsError};

/// The maximum size of a file.
const MAX_BYTES: u64 = 1 << 20;
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Text in the PEM format. Other items are skipped, so that certificate and key can be in one file.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// The text itself; never shown.
    Text(String),
}

/// Certificate and key in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemSource {
    /// The certificate, then those of the authorities in between.
    pub certificates: Pem,
    /// The key of the certificate, not encrypted: PKCS #8, PKCS #1 or SEC 1.
    pub key: Pem,
    /// The certificates of the authorities that clients' certificates are verified with.
    pub authorities: Option<Pem>,
}

impl CertificateSource for PemSource {
    fn load(&self) -> Result<Material, TlsError> {
        let place = match (&self.certificates, &self.key) {
            (certificates, key) if certificates == key => key.place(),
            (certificates, key) => format!("{} with {}", certificates.place(), key.place()),
        };
        let authorities = self.authorities.as_ref().map(Pem::certificates).transpose()?.unwrap_or_default();
        Ok(Material { chain: self.certificates.certificates()?, key: self.key.key()?, authorities, place })
    }
}

impl Pem {
    /// All certificates of the text.
    ///
    /// # Errors
    /// When it cannot be read, or has none.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read()?;
        let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        match certificates {
            // The parser's error would quote the text.
            Err(_) => Err(TlsError::Malformed { place: self.place() }),
            Ok(none) if none.is_empty() => Err(TlsError::Missing { place: self.place(), what: "certificate" }),
            Ok(certificates) => Ok(certificates),
        }
    }

    /// The first private key of the text.
    ///
    /// # Errors
    /// When it cannot be read, has none, or an encrypted one.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        use rustls::pki_types::pem::Error::NoItemsFound;
        let (text, place) = (self.read()?, self.place());
        match PrivateKeyDer::from_pem_slice(&text) {
            Ok(key) => Ok(key),
            Err(NoItemsFound) if text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) => {
                Err(TlsError::Encrypted { place })
            }
            Err(NoItemsFound) => Err(TlsError::Missing { place, what: "private key" }),
            Err(_) => Err(TlsError::Malformed { place }),
        }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::File(path) => read(path),
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "the PEM text".to_owned(),
        }
    }
}

/// Only regular files: reading a pipe might never end.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source: io::Error| TlsError::Read { path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(TlsError::NoFile { path: path.to_owned() });
    }
    let mut text = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text)).map_err(failed)?;
    Ok(text)
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";

    fn text(text: &str) -> Pem {
        Pem::Text(text.replace("SECRET", SECRET))
    }

    #[test]
    fn pem_errors_do_not_quote_the_text() {
        let encrypted = text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nSECRET\n-----END ENCRYPTED PRIVATE KEY-----\n");
        let unended = text("-----BEGIN PRIVATE KEY-----\nSECRET\n");
        let broken = text("-----BEGIN SECRET\n");
        let not_base64 = text("-----BEGIN PRIVATE KEY-----\n%SECRET%\n-----END PRIVATE KEY-----\n");
        for (pem, reason) in [
            (encrypted, "is encrypted"),
            (unended, "no valid PEM"),
            (broken, "no valid PEM"),
            (not_base64, "no valid PEM"),
            (text("root:x:0:0:SECRET"), "has no private key"),
        ] {
            let error = pem.key().unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert!(!format!("{error} {error:?} {pem:?}").contains(SECRET), "{error:?}");
        }
        let error = text("root:x:0:0:SECRET").certificates().unwrap_err().to_string();
        assert_eq!(error, "the PEM text has no certificate");
    }

    #[test]
    fn only_files_are_read() {
        for path in ["/dev/zero", "/tmp", "/dev/stdin"] {
            assert!(matches!(Pem::File(path.into()).key(), Err(TlsError::NoFile { .. })), "{path}");
        }
        let error = Pem::File("/nowhere/key.pem".into()).key().unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/key.pem"), "{error}");
    }
}
