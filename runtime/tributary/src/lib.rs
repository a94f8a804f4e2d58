//! The worker's command line and the wiring of all parts into one process.
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

use std::time::Duration;

use anyhow::Context;

pub use cli::{Cli, Command, WorkerArgs};
pub use connector_files::{ConnectorFiles, FileFailure, FileReport};
pub use plugins::registry;

/// REST, the engine and its clients share these; the work of a record is done in batches.
const THREADS: usize = 2;
/// How long the process waits at its end for calls that block.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// Does what the command line says; a worker runs until it is told to stop.
///
/// # Errors
/// With what to do about it.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Docs { folder, check }) = cli.command {
        return docs::run(&folder, check);
    }
    // Before anything asks for its share of them.
    let descriptors = tributary_listener::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let ended = runtime.block_on(wiring::run(cli.worker, descriptors));
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}
