use std::io;
use std::path::PathBuf;

/// Why TLS cannot be used. The content of files is never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// It is a pipe, a folder or a device, or far too long.
    #[error("{} is no file with certificates or a key: name a PEM file", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },

    /// Text that is no PEM.
    #[error("{place} is no valid PEM: write -----BEGIN ...----- and -----END ...----- around each part")]
    Malformed {
        /// The file, or the source of the text.
        place: String,
    },

    /// The expected item is missing.
    #[error("{place} has no {what}")]
    Missing {
        /// The file, or what else the text is.
        place: String,
        /// The expected item.
        what: &'static str,
    },

    /// A key that a password protects.
    #[error("the key in {place} is encrypted: decrypt it, such as with openssl pkey, and protect the file instead")]
    Encrypted {
        /// The file, or what else the text is.
        place: String,
    },

    /// Client certificates must be verified, but there are no authorities.
    #[error("there are no certificates of authorities that clients' certificates could be verified with")]
    NoAuthorities,

    /// Certificate and key do not match, or one of them cannot be used.
    #[error("{place} cannot be used: {reason}")]
    Unusable {
        /// Where certificate and key are.
        place: String,
        /// Why not.
        reason: String,
    },

    /// A source of another kind has failed.
    #[error("{0}")]
    Source(String),
}
