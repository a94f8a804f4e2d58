//! Reads within the task's poll, without a hand-over to another thread: a disk that blocks occupies the thread that the
//! task is on, and the executor adds another for other tasks.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tributary_api::{Error, Result};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// Chunks of a pipe that wait to be taken.
const QUEUED_CHUNKS: usize = 2;

/// Where lines are read from.
pub(super) enum Input {
    /// A file, which can be read again from any position.
    File(FileInput),
    /// Standard input or a pipe, which can be read once.
    Pipe(PipeInput),
}

pub(super) struct FileInput {
    path: PathBuf,
    file: File,
    position: u64,
    /// The last read came to the end.
    ended: bool,
    /// A change of the file that has no effect (it was replaced or truncated) has been logged.
    warned: bool,
}

/// A pipe is read by a separate thread, because such a read cannot be cancelled.
pub(super) struct PipeInput {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
}

/// What a path refers to.
pub(super) enum Found {
    Nothing,
    File(File),
    Pipe,
}

impl Found {
    /// Checks what the path refers to, and opens it if it is a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let looked = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => File::open(path).map(Self::File),
            Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(_) => Ok(Self::Pipe),
            Err(error) => Err(error),
        };
        match looked {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) => {
                let message = format!("cannot open {}: check that it is a file this process may read", path.display());
                Err(Error::fatal(message).cause(&error))
            }
        }
    }
}

impl Input {
    /// A file, from a position.
    pub(super) fn file(path: &Path, mut file: File, position: u64) -> Result<Self> {
        let sought = file.seek(SeekFrom::Start(position));
        sought.map_err(|error| Error::fatal(format!("cannot go to byte {position} of the file")).cause(&error))?;
        Ok(Self::File(FileInput { path: path.to_owned(), file, position, ended: false, warned: false }))
    }

    /// A named pipe.
    pub(super) fn pipe(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        Self::read_on_thread(move || File::open(path), WhenEnded::ReadOn)
    }

    /// Standard input.
    pub(super) fn stdin() -> Result<Self> {
        Self::read_on_thread(|| Ok(io::stdin()), WhenEnded::Stop)
    }

    /// Appends available bytes to the buffer. The buffer is returned in any case.
    pub(super) fn read(&mut self, mut buffer: Vec<u8>) -> (Vec<u8>, Result<usize>) {
        match self {
            Self::File(input) => {
                let read = input.read(&mut buffer);
                (buffer, read)
            }
            Self::Pipe(input) => input.read(buffer),
        }
    }

    fn read_on_thread<R: Read>(
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        when_ended: WhenEnded,
    ) -> Result<Self> {
        let (sender, chunks) = mpsc::channel(QUEUED_CHUNKS);
        let read = move || match open() {
            Ok(mut reader) => read_to_end(&mut reader, when_ended, &sender),
            // The receiver is gone only when the task has ended.
            Err(error) => drop(sender.blocking_send(Err(error))),
        };
        let thread = thread::Builder::new().name("file-source-pipe".to_owned()).spawn(read);
        thread.map_err(|error| Error::fatal("cannot start a thread to read the pipe").cause(&error))?;
        Ok(Self::Pipe(PipeInput { chunks }))
    }
}

impl FileInput {
    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<usize> {
        // Most checks of a file find nothing new: they need no buffer.
        let nothing = self.ended && matches!(self.file.read_at(&mut [0], self.position), Ok(0));
        let read = if nothing { Ok(0) } else { read_chunk(&self.file, buffer) };
        let read =
            read.map_err(|error| Error::retriable(format!("cannot read {}", self.path.display())).cause(&error))?;
        self.ended = read == 0;
        if self.ended {
            self.warn_if_replaced();
        }
        self.position += read as u64;
        Ok(read)
    }

    /// At its end, a file that was truncated or replaced looks like one that does not grow: logs a warning, once.
    fn warn_if_replaced(&mut self) {
        if self.warned {
            return;
        }
        let (opened, named) = (self.file.metadata(), fs::metadata(&self.path));
        let (path, position) = (self.path.display(), self.position);
        if opened.as_ref().is_ok_and(|file| file.len() < position) {
            self.warned = true;
            tracing::warn!(file = %path, position, "file became shorter than the position already read: lines written \
                before this position are not read; stop the connector and alter its offsets to start again");
        } else if let (Ok(opened), Ok(named)) = (opened, named)
            && !is_same(&opened, &named)
        {
            self.warned = true;
            tracing::warn!(file = %path, position, "file was replaced: the old one is still read; restart the connector \
                to read the new one from this position");
        }
    }
}

impl PipeInput {
    fn read(&mut self, mut buffer: Vec<u8>) -> (Vec<u8>, Result<usize>) {
        match self.chunks.try_recv() {
            Ok(Ok(chunk)) => {
                buffer.extend_from_slice(&chunk);
                (buffer, Ok(chunk.len()))
            }
            Ok(Err(error)) => (buffer, Err(Error::fatal("cannot read the pipe").cause(&error))),
            // No data yet, or the end of the pipe.
            Err(_) => (buffer, Ok(0)),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum WhenEnded {
    Stop,
    /// The next writer of a named pipe continues where the last one stopped.
    ReadOn,
}

fn read_to_end(reader: &mut impl Read, when_ended: WhenEnded, sender: &mpsc::Sender<io::Result<Vec<u8>>>) {
    while !sender.is_closed() {
        let mut chunk = vec![0; CHUNK];
        let read = reader.read(&mut chunk);
        match read {
            Ok(0) if when_ended == WhenEnded::Stop => return,
            Ok(0) => thread::sleep(Duration::from_millis(100)),
            Ok(read) => {
                chunk.truncate(read);
                if sender.blocking_send(Ok(chunk)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return drop(sender.blocking_send(Err(error))),
        }
    }
}

/// Appends up to a chunk; fewer bytes only at the end of the file.
fn read_chunk(mut file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let start = buffer.len();
    buffer.resize(start + CHUNK, 0);
    let mut end = start;
    let result = loop {
        match file.read(&mut buffer[end..]) {
            Ok(0) => break Ok(()),
            Ok(read) => end += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Bytes read before the error are used; the next call will return the error again.
            Err(_) if end > start => break Ok(()),
            Err(error) => break Err(error),
        }
        if end == buffer.len() {
            break Ok(());
        }
    };
    buffer.truncate(end);
    if end - start < CHUNK / 2 {
        buffer.shrink_to_fit();
    }
    result.map(|()| end - start)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}
