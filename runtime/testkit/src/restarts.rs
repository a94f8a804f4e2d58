//! Checks whether restarts leak threads or file descriptors, by the counts in `/proc`.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io};

/// Environment variable that is set in the process where a test runs alone.
const ALONE: &str = "TRIBUTARY_TEST_ALONE";
/// A growth up to this number is not a leak: a pool may have grown, or a connection may still be closing.
const SLACK: usize = 8;
/// How long to wait for ended threads and closed descriptors to disappear.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The resources of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Threads.
    pub threads: usize,
    /// Open files and connections.
    pub descriptors: usize,
}

impl Counts {
    /// The resources of this process.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub fn now() -> io::Result<Self> {
        let count = |folder: &str| fs::read_dir(folder).map(Iterator::count);
        Ok(Self { threads: count("/proc/self/task")?, descriptors: count("/proc/self/fd")? })
    }

    fn exceeds(self, before: Self) -> bool {
        self.threads > before.threads + SLACK || self.descriptors > before.descriptors + SLACK
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads and {} descriptors", self.threads, self.descriptors)
    }
}

/// Runs the test of this name in a process of its own, where nothing else opens files. Returns whether this is that
/// process; if it is not, the test has already run there and the caller returns.
///
/// # Errors
/// If the test fails there, with its output.
pub fn alone(test: &str) -> io::Result<bool> {
    if env::var_os(ALONE).is_some() {
        return Ok(true);
    }
    let output = Command::new(env::current_exe()?).args([test, "--exact", "--nocapture"]).env(ALONE, "1").output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && printed.contains("1 passed") {
        return Ok(false);
    }
    Err(io::Error::other(format!("{printed}\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// Restarts something a few times and then many times, and compares the resources.
///
/// # Errors
/// The resources before and after, if they have grown.
pub async fn stay_flat<F: Future<Output = ()>>(rounds: usize, mut restart: impl FnMut() -> F) -> Result<(), String> {
    let problem = |error: io::Error| error.to_string();
    for _ in 0..10 {
        restart().await;
    }
    let before = Counts::now().map_err(problem)?;
    for _ in 0..rounds {
        restart().await;
    }
    let begun = Instant::now();
    loop {
        let after = Counts::now().map_err(problem)?;
        if !after.exceeds(before) {
            return Ok(());
        }
        if begun.elapsed() > CALL_TIMEOUT {
            return Err(format!("{before} before {rounds} restarts, {after} after them"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
