use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// How much of a log `X-Amz-Log-Result` holds.
const TAIL: u64 = 4096;

/// What a function's process prints. A file and not a pipe: what was printed before an answer is in it when the answer comes.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    _folder: TempDir,
}

impl Log {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lambda-front-").tempdir().context("make a folder for a log")?;
        let path = folder.path().join("log");
        let file = OpenOptions::new().create(true).read(true).append(true).open(path).context("make a log")?;
        Ok(Self { file, _folder: folder })
    }

    /// For the process's output.
    pub(crate) fn writer(&self) -> Result<Stdio> {
        Ok(self.file.try_clone().context("share a log")?.into())
    }

    /// The end of what was printed since the last call, which is forgotten with it.
    pub(crate) fn take(&mut self) -> Result<String> {
        let length = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        self.file.read_to_end(&mut tail)?;
        self.file.set_len(0)?;
        Ok(String::from_utf8_lossy(&tail).into_owned())
    }
}

/// The log of one invocation, as Lambda frames it, cut to its end.
pub(crate) fn framed(request_id: &str, version: &str, printed: &str, took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1000.0;
    let line = if printed.is_empty() || printed.ends_with('\n') { "" } else { "\n" };
    let log = format!(
        "START RequestId: {request_id} Version: {version}\n{printed}{line}END RequestId: {request_id}\nREPORT RequestId: \
         {request_id}\tDuration: {milliseconds:.2} ms\tBilled Duration: {:.0} ms\tMemory Size: 128 MB\tMax Memory Used: 128 \
         MB\t\n",
        milliseconds.ceil()
    );
    let mut start = log.len().saturating_sub(TAIL as usize);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    log[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_taken_once_and_has_an_end_only() {
        let mut log = Log::new().unwrap();
        let mut writer = log.file.try_clone().unwrap();
        writer.write_all(&[b'a'; 5000]).unwrap();
        writer.write_all(b"end").unwrap();
        let taken = log.take().unwrap();
        assert!(taken.len() == 4096 && taken.ends_with("aend"));
        assert_eq!(log.take().unwrap(), "");
        writer.write_all(b"more").unwrap();
        assert_eq!(log.take().unwrap(), "more");
    }

    #[test]
    fn a_frame_is_cut_at_its_start() {
        let short = framed("id", "$LATEST", "hello", Duration::from_micros(1500));
        assert!(short.starts_with("START RequestId: id Version: $LATEST\nhello\nEND RequestId: id\nREPORT"), "{short}");
        assert!(short.contains("Duration: 1.50 ms\tBilled Duration: 2 ms"), "{short}");
        let long = framed("id", "1", &"é".repeat(4000), Duration::ZERO);
        assert!(long.len() <= 4096 && long.len() > 4090 && !long.contains("START"));
    }
}
