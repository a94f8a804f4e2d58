use std::io::ErrorKind;
use std::path::PathBuf;

use tributary_api::{Error, Result, read_small_file};

use super::Signal;
use super::topic::signal_of_json;

/// The most bytes that are read of the file.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file with one signal per line. It is emptied after it was read.
pub(super) struct SignalFile(PathBuf);

impl SignalFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Reads what was written since the last poll.
    pub(super) async fn read(&self) -> Result<Vec<Signal>> {
        let path = self.0.clone();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = read_small_file(&path, MOST_BYTES)?;
            // A file without a signal may be somebody else's: it is left as it is.
            let has_signals = lines(&bytes).any(|line| signal_of_json(line).is_some());
            if has_signals {
                std::fs::OpenOptions::new().write(true).truncate(true).open(&path)?;
            }
            Ok::<_, std::io::Error>(if has_signals { bytes } else { Vec::new() })
        });
        let read = read.await.map_err(|error| Error::retriable("the file was not read").cause(&error))?;
        let bytes = match read {
            Ok(bytes) => bytes,
            // The file does not exist yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let message = format!("cannot read and empty the file {} (signal.file)", self.0.display());
                return Err(Error::retriable(message).cause(&error));
            }
        };
        let signals = lines(&bytes).filter_map(|line| {
            let signal = signal_of_json(line);
            if signal.is_none() {
                tracing::warn!(file = %self.0.display(), "a line of the signal file is left out: it is no JSON object with type and data");
            }
            signal
        });
        Ok(signals.collect())
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn lines_are_read_once() {
        let path = std::env::temp_dir().join(format!("tributary-signals-{}", std::process::id()));
        let file = SignalFile::new(path.clone());
        assert_eq!(file.read().await.unwrap(), []);
        std::fs::write(&path, "{\"id\":\"1\",\"type\":\"log\",\"data\":{}}\n\nno signal\n").unwrap();
        let read = file.read().await.unwrap();
        assert_eq!(read, [Signal { id: "1".into(), kind: "log".into(), data: "{}".into() }]);
        assert_eq!(file.read().await.unwrap(), []);
        std::fs::write(&path, "somebody else's\n").unwrap();
        assert_eq!(file.read().await.unwrap(), []);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's\n");
        std::fs::remove_file(&path).unwrap();
    }
}
