use std::io;
use std::path::PathBuf;

/// Why an embedded server could not be started or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No listening socket could be opened.
    #[error("cannot listen on 127.0.0.1:{port}: choose another port (0 takes any free one)")]
    Bind {
        /// The preferred port.
        port: u16,
        /// The operating system's error.
        source: io::Error,
    },

    /// A folder or a file in it cannot be read or written.
    #[error("cannot use {}: check that the folder exists and may be written", path.display())]
    Directory {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// Another broker uses the folder.
    #[error("{} is used by another broker: stop that one or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },

    /// The storage address cannot carry this path.
    #[error(
        "the path {} holds characters that the broker's storage cannot open: choose a folder below the working \
         directory, or one without blanks, quotes, '#', '?', '%' and brackets",
        path.display()
    )]
    Path {
        /// The database file.
        path: PathBuf,
    },

    /// The name breaks S3's rules for bucket names.
    #[error(
        "'{name}' is no valid bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens, beginning and \
         ending with a letter or digit"
    )]
    BucketName {
        /// The refused name.
        name: String,
    },

    /// An empty access key or secret key would leave the endpoint open.
    #[error("the embedded s3 endpoint needs an access key and a secret key: set both")]
    Credentials,

    /// The broker's storage cannot be opened.
    #[error("cannot open the broker's storage: move the data folder away to start with an empty one, or restore it")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The broker's threads or request routes cannot be set up.
    #[error("cannot set up the broker")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}
