//! The `tributary` command.

use std::process::ExitCode;

use clap::Parser;
use tributary::Cli;

fn main() -> ExitCode {
    match tributary::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tributary: {error:#}");
            ExitCode::FAILURE
        }
    }
}
