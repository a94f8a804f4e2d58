//! The worker's command line and the wiring of all parts into one process.
//!
//! A worker with plugins of one's own is a `main` that hands them to [`main`]; settings, logging, REST and the embedded
//! servers come with it. `examples/custom-worker` is such a worker.
//!
//! `wiring` reads top-down what is started in which order; everything else here is one part of it.
#![forbid(unsafe_code)]

mod cli;
mod connector_files;
mod data_folder;
mod docs;
mod embedded;
mod environment;
mod logging;
mod plugins;
mod rest;
mod settings;
mod shared_values;
mod shop;
mod startup;
mod wiring;
mod worker_properties;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tributary_api::{Plugin, PluginRegistry};

pub use cli::{Cli, Command, WorkerArgs};
pub use connector_files::{ConnectorFiles, FileFailure, FileReport};
pub use plugins::plugins;

/// REST, the engine and its clients share these; the work of a record is done in batches.
const THREADS: usize = 2;
/// How long the process waits at its end for calls that block.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// The `main` of a worker with these plugins: reads the command line, runs, and prints what went wrong.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tributary::main(tributary::plugins())
/// }
/// ```
pub fn main(plugins: impl IntoIterator<Item = Plugin>) -> ExitCode {
    let cli = Cli::parse();
    let done = PluginRegistry::new(plugins).map_err(anyhow::Error::from).and_then(|plugins| run(cli, plugins));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tributary: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says; a worker runs until it is told to stop.
///
/// # Errors
/// With what to do about it.
pub fn run(cli: Cli, plugins: PluginRegistry) -> anyhow::Result<()> {
    if let Some(Command::Docs { folder, check }) = cli.command {
        return docs::run(&plugins, &folder, check);
    }
    // Before anything asks for its share of them.
    let descriptors = tributary_listener::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let ended = runtime.block_on(wiring::run(cli.worker, plugins, descriptors));
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}
