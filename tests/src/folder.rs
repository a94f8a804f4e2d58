use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Set to `1`, it leaves the folders of all servers in place and prints where they are.
const KEEP: &str = "TRIBUTARY_TEST_KEEP";

/// The folder of one server: settings, data, logs. Removed when dropped, unless the test panics or
/// `TRIBUTARY_TEST_KEEP=1`.
#[derive(Debug)]
pub struct RunFolder {
    folder: TempDir,
}

impl RunFolder {
    /// Makes an empty folder whose name starts with `name`.
    pub fn new(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("tributary-{name}-"))
            .tempdir()
            .context("make a run folder, see TMPDIR")?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var(KEEP).is_ok_and(|value| value == "1") {
            self.folder.disable_cleanup(true);
            eprintln!("kept {}", self.path().display());
        }
    }
}
