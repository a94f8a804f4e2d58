use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::folder::RunFolder;
use crate::process::{self, ProcessGuard, Usage};

/// A server started by a script of `tests/rig`, with its folder, on its port.
#[derive(Debug)]
pub(crate) struct RigServer {
    script: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    port: u16,
    pid: u32,
    startup: Duration,
    guard: Option<ProcessGuard>,
    // Dropped last: the server is gone by then.
    folder: RunFolder,
}

impl RigServer {
    /// Runs `SCRIPT start`; returns when the server is ready.
    pub(crate) async fn start(
        script: &'static str,
        port: u16,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Result<Self> {
        let folder = RunFolder::new(script.trim_end_matches(".sh"))?;
        let mut server =
            Self { script, arguments, environment, port, pid: 0, startup: Duration::ZERO, guard: None, folder };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it on the same folder and port; for a server that was stopped or killed.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let mut command = self.command("start");
        command.arg(self.port.to_string()).args(&self.arguments).env("TRIBUTARY_RIG_GUARD", "1").stdin(Stdio::piped());
        let begun = Instant::now();
        let (output, guard) = blocking(move || {
            let mut child = command.spawn()?;
            // Taken before the wait, which would close it.
            let guard = child.stdin.take();
            Ok((child.wait_with_output()?, guard))
        })
        .await?;
        self.pid = checked(self.script, &output)?.trim().parse().context("understand the script's process id")?;
        self.startup = begun.elapsed();
        self.guard = Some(ProcessGuard::of(guard)?);
        Ok(())
    }

    /// Ends it: with SIGTERM and a timeout, or (`kill`) with SIGKILL.
    pub(crate) async fn stop(&mut self, kill: bool) -> Result<()> {
        let mut command = self.command("stop");
        command.args(kill.then_some("-9")).stdin(Stdio::null());
        let output = blocking(move || command.output()).await?;
        checked(self.script, &output)?;
        self.guard = None;
        Ok(())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// From the start of the script to a ready server.
    pub(crate) fn startup(&self) -> Duration {
        self.startup
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(process::rig_folder().join(self.script));
        command.arg(verb).arg(self.folder.path()).envs(self.environment.iter().cloned());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for RigServer {
    fn drop(&mut self) {
        if self.guard.is_some() {
            // Not by the guard: the script returns when the server is gone, and the folder may have to stay.
            let stopped = self.command("stop").arg("-9").stdin(Stdio::null()).output();
            if let Err(error) = stopped {
                eprintln!("could not stop {}: {error}", self.script);
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.context("run a rig script")
}

fn checked(script: &str, output: &std::process::Output) -> Result<String> {
    ensure!(output.status.success(), "{script} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
