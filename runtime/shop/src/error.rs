use std::io;
use std::path::PathBuf;

/// The result of the shop's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the shop does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: choose an address of this machine")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not as expected (line {line}): correct it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A picture is no SVG document.
    #[error("{} is no SVG document: it must begin with <svg", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
    },
    /// The secret cannot be used, or a customer's id cannot.
    #[error("{0}")]
    Options(String),
}
