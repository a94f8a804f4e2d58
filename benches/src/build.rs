//! What a newcomer waits for: `cargo build --release` with nothing built before.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::peer::Kind;
use crate::report::Report;

/// Into a target folder of its own, from packages already downloaded.
pub(crate) fn run(report: &mut Report) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no folder")?;
    let fetched = Command::new("cargo").args(["fetch", "--locked"]).current_dir(root).status()?;
    ensure!(fetched.success(), "cargo fetch failed, see above");
    let target = tempfile::tempdir()?;
    let begun = Instant::now();
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(target.path())
        .current_dir(root)
        .status()?;
    ensure!(built.success(), "cargo build failed, see above");
    report.add("first build of the worker", Kind::Tributary.name(), "min", 1, begun.elapsed().as_secs_f64() / 60.0);
    Ok(())
}
