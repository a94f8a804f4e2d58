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
    /// Ask a running worker about experiments
    #[command(subcommand)]
    Experiment(ExperimentCommand),
}

/// What to ask about experiments.
#[derive(Debug, Subcommand)]
pub enum ExperimentCommand {
    /// Print what an experiment brought: people, conversions, revenue and the uplift with its intervals
    Report(ReportArgs),
}

/// Which report to make, and how.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// The experiment's key, as it is in the rule pack
    pub experiment: String,
    /// The worker's REST API, http://USER:PASSWORD@HOST:PORT with basic authentication
    #[arg(long, default_value = "http://localhost:8083")]
    pub url: String,
    /// The connector that makes the offers
    #[arg(long, value_name = "NAME", default_value = "personalize")]
    pub connector: String,
    /// The alias of its transform tributary.Personalize
    #[arg(long, value_name = "ALIAS", default_value = "personalize")]
    pub transform: String,
    /// A report as JSON that was fetched before, instead of asking a worker; - for the standard input
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub from: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with plots of the uplift over time, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
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
        let cli = Cli::try_parse_from(["tributary", "experiment", "report", "exp", "--html", "page.html"]).unwrap();
        let Some(Command::Experiment(ExperimentCommand::Report(args))) = cli.command else { unreachable!() };
        assert_eq!((args.experiment.as_str(), args.url.as_str(), args.json), ("exp", "http://localhost:8083", false));
        assert_eq!(Cli::try_parse_from(["tributary"]).unwrap().worker.data, PathBuf::from("data"));
    }
}
