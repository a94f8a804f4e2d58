use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::programs::Program;
use super::tiers::Tier;
use crate::rustdoc;
use crate::workspace::Workspace;

const DOC_TESTS: [&str; 4] = ["test", "--release", "--workspace", "--doc"];
const DOC_TESTS_LIMIT: Duration = Duration::from_secs(1800);

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    /// Counts `count` tests that returned without a failure as skipped.
    pub(super) fn skip(&mut self, count: usize) {
        let count = count.min(self.passed);
        self.passed -= count;
        self.skipped += count;
    }

    /// Counts a program as failed that reported no failed test but crashed or reached its time limit.
    fn close(mut self, ended_well: bool) -> Self {
        if !ended_well && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs the tests of a program.
pub(super) fn run(
    workspace: &Workspace,
    program: &Program,
    tier: &Tier,
    filter: Option<&str>,
    skips: &Path,
) -> Result<Counts> {
    println!("--> {} {}", program.package, program.name);
    let mut command = Command::new(&program.executable);
    command
        .args(filter)
        .arg(format!("--test-threads={}", tier.threads))
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("TRIBUTARY_BIN", workspace.binary("tributary"))
        .env("TRIBUTARY_TEST_SKIPS", skips);
    watched(&mut command, tier.limit)
}

/// Makes the documentation of all crates, where a warning is an error, and runs the examples in it.
pub(super) fn doc_tests(workspace: &Workspace) -> Result<Counts> {
    println!("--> documentation, and the examples in it");
    let mut command = workspace.linting_cargo(&DOC_TESTS);
    rustdoc::stand_in(workspace, &mut command);
    watched(&mut command, DOC_TESTS_LIMIT)
}

/// Shows the command's output as it comes and counts the tests in it; kills it after `limit`.
fn watched(command: &mut Command, limit: Duration) -> Result<Counts> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("run {command:?}"))?;
    let output = child.stdout.take().context("read the tests' output")?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || count(output));
        let status = wait(&mut child, limit)?;
        let counts = reader.join().map_err(|_| anyhow::anyhow!("the reader of the tests' output panicked"))??;
        Ok(counts.close(status.is_some_and(|status| status.success())))
    })
}

/// `None` if it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > limit {
            println!("killed: it did not end within {limit:?}");
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Prints what it reads, and adds up the summary lines of test programs.
fn count(output: impl Read) -> Result<Counts> {
    let mut counts = Counts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts += closing_line(&line).unwrap_or_default();
    }
    Ok(counts)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; an ignored test is one that was skipped.
fn closing_line(line: &str) -> Option<Counts> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |name: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(name));
        part.and_then(|text| text.trim().parse().ok())
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let output = "running 3 tests\ntest a ... ok\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(count(output.as_bytes()).unwrap(), Counts { passed: 4, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_crash_counts_as_a_failure() {
        let crash = watched(Command::new("sh").args(["-c", "echo test a ... ; kill -9 $$"]), Duration::from_secs(60));
        assert_eq!(crash.unwrap(), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_hanging_program_is_killed_and_counts_as_a_failure() {
        let hang = watched(Command::new("sleep").arg("600"), Duration::from_millis(50));
        assert_eq!(hang.unwrap(), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_skip_is_no_pass() {
        let mut counts = Counts { passed: 5, failed: 1, skipped: 0 };
        counts.skip(2);
        assert_eq!(counts, Counts { passed: 3, failed: 1, skipped: 2 });
    }
}
