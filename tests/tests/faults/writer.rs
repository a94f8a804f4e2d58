use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long it waits between two writes.
const PAUSE: Duration = Duration::from_millis(2);

/// Writes `line 0`, `line 1` and so on into a file until it is stopped.
pub(crate) struct Writer {
    pub(crate) file: PathBuf,
    lines: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Writer {
    /// With `batch` lines in each write.
    pub(crate) fn start(file: &Path, batch: u32) -> std::io::Result<Self> {
        let mut output = fs::File::create(file)?;
        let (lines, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let most = Arc::new(AtomicU32::new(u32::MAX));
        let (count, bound, ending) = (Arc::clone(&lines), Arc::clone(&most), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ending.load(Ordering::SeqCst) {
                if count.load(Ordering::SeqCst) < bound.load(Ordering::SeqCst) {
                    let first = count.fetch_add(batch, Ordering::SeqCst);
                    let text: String = (first..first + batch).map(|number| format!("line {number}\n")).collect();
                    output.write_all(text.as_bytes())?;
                }
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        Ok(Self { file: file.to_owned(), lines, most, stop, thread: Some(thread) })
    }

    /// From now on it waits when there are so many lines: a slow reader must not have ever more before it.
    pub(crate) fn limit(&self, lines: u32) {
        self.most.store(lines, Ordering::SeqCst);
    }

    /// How many lines there are.
    pub(crate) fn end(&mut self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
        self.lines.load(Ordering::SeqCst)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}
