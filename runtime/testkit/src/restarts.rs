//! Whether restarts leak threads or file descriptors of the process, as Linux counts them.

use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io};

/// Set in the process that a test runs alone in.
const ALONE: &str = "TRIBUTARY_TEST_ALONE";
/// How many more of each are no leak: pools that have grown by one, a connection that is being closed.
const SLACK: usize = 8;
/// How long what has ended may take to go away.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Threads.
    pub threads: usize,
    /// Open files and connections.
    pub descriptors: usize,
}

impl Counts {
    /// Those of this process.
    ///
    /// # Errors
    /// Where there is no `/proc`.
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

/// Runs the test of this name in a process of its own, where nothing else opens files. Answers whether this is that
/// process; if not, the test is over.
///
/// # Errors
/// When it fails there, with what it printed.
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

/// Restarts something a few times and then many times; the many must leak no more than the few.
///
/// # Errors
/// What there is more of.
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
            return Err(format!("{before} before {rounds} restarts, {after} behind them"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
