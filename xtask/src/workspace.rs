use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The checkout, and how to run things in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// The one that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("run cargo metadata")?;
        Ok(Self { metadata })
    }

    /// Its own packages.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A command that runs in its folder.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root());
        command
    }

    /// A command of the cargo that runs this program.
    pub(crate) fn cargo_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// A command of cargo that compiles our packages with clippy: a check apart would compile all 700 packages again.
    pub(crate) fn linting_cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.cargo_command(arguments);
        let beside_cargo = Path::new(command.get_program()).with_file_name("clippy-driver");
        command.env("RUSTC_WORKSPACE_WRAPPER", beside_cargo);
        command
    }

    /// Runs cargo; whether it succeeded.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<bool> {
        println!("cargo {}", arguments.join(" "));
        Ok(self.cargo_command(arguments).status().context("run cargo")?.success())
    }

    /// The path of a binary of the release build.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("release").join(name)
    }

    /// Runs a binary of the release build with the worker's path in its environment; whether it succeeded.
    pub(crate) fn run_binary(&self, name: &str, arguments: &[OsString]) -> Result<bool> {
        let binary = self.binary(name);
        let mut command = self.command(&binary);
        let status = command.args(arguments).env("TRIBUTARY_BIN", self.binary("tributary")).status();
        Ok(status.with_context(|| format!("run {}", binary.display()))?.success())
    }

    /// Generates the connectors' pages, or (`check`) compares them with what is there.
    pub(crate) fn docs(&self, check: bool) -> Result<bool> {
        let mut arguments: Vec<OsString> = vec!["docs".into()];
        arguments.extend(check.then(|| "--check".into()));
        arguments.push("docs/connectors".into());
        self.run_binary("tributary", &arguments)
    }
}
