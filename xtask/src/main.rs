//! Developer commands: `cargo xtask test|tidy|bench|docs`.
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

mod rustdoc;
mod test;
mod tidy;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Tributary", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the sources and run every tier of tests that this machine can run
    ///
    /// With TRIBUTARY_TEST_REQUIRE=all what would be skipped fails. Servers that tests start leave their folders in
    /// place with TRIBUTARY_TEST_KEEP=1.
    Test {
        /// Only these steps; all, if none is named
        steps: Vec<String>,
        /// Of the tests, only those whose name holds this
        #[arg(long)]
        filter: Option<String>,
    },
    /// Check what no compiler checks: dependencies, file sizes, patterns, configurations, links
    Tidy,
    /// Run the benchmarks; arguments go to the harness (`cargo xtask bench -- --help`)
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Generate docs/connectors from the connectors' own definitions
    Docs {
        /// Change nothing, fail if they are out of date
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<ExitCode> {
    if let Some(outcome) = rustdoc::run_if_called()? {
        return Ok(outcome);
    }
    let workspace = Workspace::find()?;
    let passed = match Arguments::parse().command {
        Command::Test { steps, filter } => test::run(&workspace, &steps, filter.as_deref())?,
        Command::Tidy => tidy::run(&workspace)?,
        Command::Bench { arguments } => workspace.bench(&arguments)?,
        Command::Docs { check } => workspace.cargo(&["build", "--release"])? && workspace.docs(check)?,
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
