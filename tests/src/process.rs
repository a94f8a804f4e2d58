//! Processes by id, and the guard that ends a server with the process that started it: `rig/process-guard.sh` reads its standard
//! input, a pipe from the test process, and kills the server at its end. The kernel's parent-death signal does not do: it
//! is sent when the *thread* that started the child ends, and each test has its own thread.

use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The unit of utime and stime in `/proc/PID/stat`: 1/100 s on all of Linux's platforms.
const TICKS_PER_SECOND: f64 = 100.0;

/// The resources that a process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory now (`VmRSS`).
    pub rss_bytes: u64,
    /// The most resident memory it ever had (`VmHWM`).
    pub peak_rss_bytes: u64,
    /// Its threads now.
    pub threads: usize,
    /// Its open file descriptors now.
    pub descriptors: usize,
    /// Processor time of all its threads, in user and in system mode.
    pub cpu: Duration,
}

impl Usage {
    /// Reads `/proc/PID`; fails when the process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let status = read(pid, "status")?;
        let stat = read(pid, "stat")?;
        // The second field is the program's name in brackets, and can hold spaces and brackets itself.
        let fields: Vec<&str> = stat.rsplit_once(')').map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        let ticks = |field: usize| fields.get(field - 2).and_then(|text| text.parse::<u64>().ok());
        let (user, system) = ticks(14).zip(ticks(15)).context("understand /proc/PID/stat")?;
        Ok(Self {
            rss_bytes: number(&status, "VmRSS:")? * 1024,
            peak_rss_bytes: number(&status, "VmHWM:")? * 1024,
            threads: number(&status, "Threads:")? as usize,
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).context("list its descriptors")?.count(),
            cpu: Duration::from_secs_f64((user + system) as f64 / TICKS_PER_SECOND),
        })
    }
}

/// Whether a process of this id runs. One that ended and was not waited for by its parent does not.
pub fn is_alive(pid: u32) -> bool {
    read(pid, "stat").is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

/// Sends a signal by name (`TERM`, `KILL`, `INT`, `STOP`, `CONT`).
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let output = Command::new("kill").args(["-s", name, &pid.to_string()]).output().context("run kill")?;
    ensure!(output.status.success(), "kill -s {name} {pid}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Limits the size of the files that the process writes; without a number the limit is removed. A write beyond it fails as
/// on a full disk, which only root could create.
pub fn limit_file_size(pid: u32, bytes: Option<u64>) -> Result<()> {
    let soft = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let arguments = ["--pid", &pid.to_string(), &format!("--fsize={soft}:unlimited")];
    let output = Command::new("prlimit").args(arguments).output().context("run prlimit, of util-linux")?;
    ensure!(output.status.success(), "prlimit: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Held by the test process: when it is dropped, or the process ends, the server is killed.
#[derive(Debug)]
pub struct ProcessGuard {
    _held: ChildStdin,
}

impl ProcessGuard {
    /// Ends the process `pid`, whose command line contains `mark`, when the returned guard is dropped. If it has to be killed,
    /// its folder is removed as well: end a server whose folder is still needed before that.
    pub fn attach(pid: u32, mark: &Path, folder: &Path) -> Result<Self> {
        // In a process group of its own, so that a Ctrl-C in the terminal does not end the watcher first.
        let mut watcher = std::os::unix::process::CommandExt::process_group(
            Command::new(rig_folder().join("process-guard.sh"))
                .arg(pid.to_string())
                .arg(mark)
                .arg(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
            0,
        )
        .spawn()
        .context("run rig/process-guard.sh")?;
        Self::of(watcher.stdin.take())
    }

    /// A guard whose watcher was started by a rig script with this standard input.
    pub(crate) fn of(held: Option<ChildStdin>) -> Result<Self> {
        Ok(Self { _held: held.context("the watcher has no standard input")? })
    }
}

/// The folder of the scripts.
pub(crate) fn rig_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rig"))
}

fn read(pid: u32, file: &str) -> Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("read {file} of process {pid}"))
}

/// A number of a process's status, in kilobytes where it is an amount of memory.
fn number(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    number.with_context(|| format!("the process has ended: its status has no {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn usage_counts_this_process() {
        let before = Usage::of(std::process::id()).unwrap();
        assert!(before.rss_bytes > 1 << 20 && before.peak_rss_bytes >= before.rss_bytes);
        assert!(before.threads >= 1 && before.descriptors >= 3);
        let begun = Instant::now();
        while Usage::of(std::process::id()).unwrap().cpu == before.cpu {
            assert!(begun.elapsed() < Duration::from_secs(30), "the processor time does not grow");
        }
    }

    #[test]
    fn a_dropped_guard_kills_the_process() {
        let mut child = Command::new("sleep").arg("3.1415").stdin(Stdio::null()).spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let guard = ProcessGuard::attach(child.id(), Path::new("sleep 3.1415"), folder.path()).unwrap();
        assert!(is_alive(child.id()));
        drop(guard);
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert!(!is_alive(child.id()));
    }

    #[test]
    fn a_guard_does_not_kill_a_process_with_another_command() {
        let mut child = Command::new("sleep").arg("0.3").stdin(Stdio::null()).spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        drop(ProcessGuard::attach(child.id(), Path::new("another program"), folder.path()).unwrap());
        assert!(child.wait().unwrap().success());
        assert!(folder.path().is_dir());
    }
}
