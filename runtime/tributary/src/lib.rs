//! The worker's command line and the wiring of all parts into one process.
//!
//! A worker with your own plugins is a `main` that passes them to [`main`], which includes settings, logging, REST and
//! the embedded servers. `examples/custom-worker` is such a worker.
//!
//! `wiring` shows from top to bottom what is started in which order; everything else here is a part of it.
#![forbid(unsafe_code)]

mod cli;
mod connector_files;
mod data_folder;
mod docs;
mod embedded;
mod environment;
mod experiments;
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
use clap::{CommandFactory as _, FromArgMatches as _};
use tributary_api::{Plugin, PluginRegistry};

pub use cli::{Cli, Command, ExperimentCommand, ReportArgs, WorkerArgs};
pub use connector_files::{ConnectorFiles, FileFailure, FileReport};
pub use plugins::plugins;

/// Shared by REST, the engine and its clients; few suffice, because records are processed in batches.
const THREADS: usize = 2;
/// How long the process waits for blocked calls when it ends.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// The `main` of a worker with these plugins: reads the command line, runs, and prints what went wrong.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tributary::main(tributary::plugins())
/// }
/// ```
pub fn main(plugins: impl IntoIterator<Item = Plugin>) -> ExitCode {
    Program::default().main(plugins)
}

/// What a worker calls itself: `--version` and its messages say it.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tributary::Program::new("my-worker", env!("CARGO_PKG_VERSION")).main(tributary::plugins())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program {
    name: &'static str,
    version: &'static str,
}

impl Program {
    /// A name, and a version of the author's own.
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version }
    }

    /// The `main` of a worker of this name, as [`main`].
    pub fn main(self, plugins: impl IntoIterator<Item = Plugin>) -> ExitCode {
        let cli = Cli::command().name(self.name).bin_name(self.name).version(self.version);
        let cli = Cli::from_arg_matches(&cli.get_matches()).unwrap_or_else(|error| error.exit());
        let done = PluginRegistry::new(plugins).map_err(anyhow::Error::from).and_then(|plugins| run(cli, plugins));
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error:#}", self.name);
                ExitCode::FAILURE
            }
        }
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new("tributary", env!("CARGO_PKG_VERSION"))
    }
}

/// Executes the command line; a worker runs until it is stopped.
///
/// # Errors
/// Says what to do.
pub fn run(cli: Cli, plugins: PluginRegistry) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Docs { folder, check }) => return docs::run(&plugins, &folder, check),
        Some(Command::Experiment(ExperimentCommand::Report(args))) => return experiments::report(&args),
        None => {}
    }
    // Before any share of them is computed.
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
