//! What cargo calls in rustdoc's place while it runs the examples in the documentation: the pages of the crate are made first,
//! and a warning about them, such as a link that leads nowhere, fails. `cargo doc` finds the same, but compiles all 700 packages
//! once more before it does.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Set when this program is to be rustdoc: the folder that the pages go to.
const PAGES: &str = "XTASK_RUSTDOC_PAGES";
/// What only concerns the examples, and has a value.
const OF_EXAMPLES: [&str; 2] = ["--test-args", "--test-run-directory"];

/// Makes the command, which is one of cargo, call this program in place of rustdoc.
pub(crate) fn stand_in(workspace: &Workspace, cargo: &mut Command) {
    // Not the file that runs: the build has put a new one in its place.
    cargo.env("RUSTDOC", workspace.binary("xtask")).env(PAGES, workspace.binary("pages"));
}

/// Whether cargo calls this program in place of rustdoc; then the work is done, with this outcome.
pub(crate) fn run_if_called() -> Result<Option<ExitCode>> {
    let Some(pages) = std::env::var_os(PAGES) else { return Ok(None) };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let runs_examples = arguments.iter().any(|argument| argument == "--test");
    let passed = (!runs_examples || rustdoc(&page_arguments(&arguments, &pages))?) && rustdoc(&arguments)?;
    Ok(Some(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

fn rustdoc(arguments: &[OsString]) -> Result<bool> {
    let beside_cargo = std::env::var_os("CARGO").map(|cargo| std::path::Path::new(&cargo).with_file_name("rustdoc"));
    let program = beside_cargo.unwrap_or_else(|| "rustdoc".into());
    Ok(Command::new(program).args(arguments).status().context("run rustdoc")?.success())
}

/// The arguments that make the pages, of those that run the examples.
fn page_arguments(arguments: &[OsString], pages: &OsStr) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if OF_EXAMPLES.iter().any(|name| argument == name) {
            rest.next();
        } else if argument != "--test" {
            kept.push(argument.clone());
        }
    }
    kept.extend(["-D".into(), "warnings".into(), "--out-dir".into(), pages.to_owned()]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_made_with_the_arguments_of_the_examples_but_for_what_concerns_only_them() {
        let arguments = ["--edition=2024", "--test", "src/lib.rs", "--test-run-directory", "/there", "-L", "deps"];
        let pages = page_arguments(&arguments.map(OsString::from), OsStr::new("pages"));
        assert_eq!(pages, ["--edition=2024", "src/lib.rs", "-L", "deps", "-D", "warnings", "--out-dir", "pages"]);
    }
}
