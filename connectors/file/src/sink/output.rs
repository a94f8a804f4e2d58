use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tributary_api::{Error, Result};

/// Where lines are written to.
#[derive(Clone)]
pub(super) enum Output {
    Stdout,
    File {
        file: Arc<File>,
        path: Arc<Path>,
        /// A device or a pipe cannot be synced or truncated.
        regular: bool,
    },
}

/// Bytes of one batch, written in large pieces.
pub(super) struct Batch {
    output: Output,
    /// The length of the file before the batch.
    start: Option<u64>,
    written: u64,
}

impl Output {
    /// Opens a file to append to, creating it if it does not exist; standard output without a path.
    pub(super) async fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let owned = path.to_owned();
        let opened = blocking(move || {
            let file = OpenOptions::new().create(true).append(true).open(&owned)?;
            let regular = file.metadata()?.is_file();
            if regular {
                sync_folder(&owned)?;
            }
            Ok(Self::File { file: Arc::new(file), path: owned.into(), regular })
        });
        opened.await.map_err(|error| {
            let message = format!("cannot open or create {}: check its folder and rights", path.display());
            Error::fatal(message).cause(&error)
        })
    }

    pub(super) fn batch(&self) -> Batch {
        Batch { output: self.clone(), start: None, written: 0 }
    }

    /// Returns when everything written is on disk.
    pub(super) async fn sync(&self) -> Result<()> {
        let output = self.clone();
        let synced = blocking(move || match output {
            Self::Stdout => io::stdout().flush(),
            Self::File { file, regular: true, .. } => file.sync_data(),
            Self::File { .. } => Ok(()),
        });
        synced.await.map_err(|error| self.failed("sync", &error))
    }

    fn failed(&self, what: &str, error: &io::Error) -> Error {
        let message = match self {
            Self::Stdout => format!("cannot {what} standard output"),
            Self::File { path, .. } => {
                format!("cannot {what} {}: check its disk and how long files may be", path.display())
            }
        };
        Error::retriable(message).cause(error)
    }
}

impl Batch {
    /// Writes bytes and returns the empty buffer. After an error the file is truncated to its length before the batch,
    /// unless another process has written to it meanwhile, because the batch will be put again.
    pub(super) async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let (output, mut start, written) = (self.output.clone(), self.start, self.written);
        let outcome = blocking(move || {
            let result = match &output {
                Output::Stdout => io::stdout().lock().write_all(&buffer),
                Output::File { file, regular, .. } => {
                    if *regular && start.is_none() {
                        start = Some(file.metadata()?.len());
                    }
                    let result = (&**file).write_all(&buffer);
                    if let (Err(_), Some(start)) = (&result, start) {
                        truncate_to(file, start, written + buffer.len() as u64);
                    }
                    result
                }
            };
            result.map(|()| (buffer, start))
        });
        let (mut buffer, start) = outcome.await.map_err(|error| self.output.failed("write to", &error))?;
        self.start = start;
        self.written += buffer.len() as u64;
        buffer.clear();
        Ok(buffer)
    }
}

/// Syncs the folder of a new file, so that its name is durable too.
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Truncates what a failed batch has written.
fn truncate_to(file: &File, start: u64, at_most: u64) {
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return };
    if length <= start || length > start + at_most {
        return;
    }
    match file.set_len(start) {
        Ok(()) => tracing::debug!(length = start, "part of a failed batch was removed from the file"),
        Err(error) => tracing::warn!(%error, "part of a failed batch stays in the file and will be there twice"),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
