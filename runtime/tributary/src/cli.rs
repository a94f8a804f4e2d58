use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A Kafka Connect worker in one binary; with nothing configured it brings its own broker, S3 endpoint and demo shop.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of running a worker.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run a worker.
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// How to run a worker.
#[derive(Clone, Debug, Default, Args)]
pub struct WorkerArgs {
    /// The worker's settings, under Kafka Connect's names [default: worker.properties of the configs folder, if there]
    ///
    /// Environment variables win: CONNECT_BOOTSTRAP_SERVERS is bootstrap.servers; `_` is a dot, `__` an underscore,
    /// `___` a dash.
    pub properties: Option<PathBuf>,
    /// Folder with connectors/*.json, created at start when absent [default: that of worker.properties, or configs]
    #[arg(long, value_name = "DIR")]
    pub configs: Option<PathBuf>,
    /// Folder for what the embedded servers and stateful connectors keep
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
}

/// What to do instead of running a worker.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the documentation of all plugins, from their own definitions
    Docs {
        /// The folder to write into
        folder: PathBuf,
        /// Write nothing; fail if what is there is not up to date
        #[arg(long)]
        check: bool,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["tributary", "w.properties", "--configs", "c", "--data", "d"]).unwrap();
        assert_eq!(cli.worker.properties, Some(PathBuf::from("w.properties")));
        assert!(cli.command.is_none());
        let cli = Cli::try_parse_from(["tributary", "docs", "out", "--check"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Docs { check: true, .. })));
        assert_eq!(Cli::try_parse_from(["tributary"]).unwrap().worker.data, PathBuf::from("data"));
    }
}
