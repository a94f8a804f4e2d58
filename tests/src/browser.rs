use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::folder::RunFolder;
use crate::require::{BROWSERS, find_program};

/// A headless Chromium of this machine.
#[derive(Clone, Debug)]
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// Looks for it on `PATH`.
    pub fn find() -> Result<Self> {
        let program = find_program(BROWSERS).context("install chromium")?;
        Ok(Self { program })
    }

    /// Its path.
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// The command line of a headless browser with a profile of its own. It connects to this machine only, and ends when
    /// the value that `spawn` returns is dropped.
    pub fn command(&self, profile: &RunFolder) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // Chromium refuses to run as root inside its own sandbox, and tests in a container are root.
            .arg("--no-sandbox")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Opens a page, runs its scripts, and returns the document as it then is.
    pub async fn document(&self, url: &str, limit: Duration) -> Result<String> {
        let profile = RunFolder::new("browser")?;
        let run = self.command(&profile).arg("--dump-dom").arg(url).stderr(Stdio::null()).output();
        let output = tokio::time::timeout(limit, run).await.with_context(|| format!("open {url}"))??;
        ensure!(output.status.success(), "the browser ended with {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
