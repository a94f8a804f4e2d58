use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The stand-in for SQL Server: a workspace of its own that is built into the same target folder.
const STANDIN: &str = "tests/sqlserver-standin/Cargo.toml";

/// The prefixes of environment variables that cargo sets for a program that it runs.
const OF_THIS_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// The profile of images and packages.
const DIST: &str = "dist";

/// The checkout, and how to run things in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
    standin: Metadata,
}

impl Workspace {
    /// The one that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let metadata = |manifest: &str| {
            MetadataCommand::new().manifest_path(root.join(manifest)).no_deps().exec().context("run cargo metadata")
        };
        Ok(Self { metadata: metadata("Cargo.toml")?, standin: metadata(STANDIN)? })
    }

    /// The packages of the product, its tests and its tools.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All packages of ours, the stand-in among them.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter().chain(&self.standin.packages)
    }

    /// The arguments of cargo that choose the stand-in's workspace.
    pub(crate) fn standin(&self) -> [&str; 4] {
        ["--manifest-path", STANDIN, "--target-dir", self.metadata.target_directory.as_str()]
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
        // The variables that cargo sets for this package would make build scripts that read them (ring's) run again, and
        // everything that depends on them would be built again.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| OF_THIS_PACKAGE.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        command
    }

    /// A command of cargo that compiles our packages with clippy: a separate check would compile all 700 packages again.
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

    /// Whether all sources are formatted.
    pub(crate) fn is_formatted(&self) -> Result<bool> {
        let product = self.cargo(&["fmt", "--all", "--check"])?;
        Ok(self.cargo(&["fmt", "--check", "--manifest-path", STANDIN])? && product)
    }

    /// The path of a binary of the release build.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    /// Runs the benchmarks with the worker as it is shipped (profile `dist`); whether they succeeded.
    pub(crate) fn bench(&self, arguments: &[OsString]) -> Result<bool> {
        let built = self.cargo(&["build", "--profile", DIST, "--package", "tributary"])?
            && self.cargo(&["build", "--release", "--workspace", "--bins"])?
            && self.cargo(&[&["build", "--release", "--bins"][..], &self.standin()].concat())?;
        Ok(built && self.run_binary("tributary-bench", arguments, &self.built(DIST, "tributary"))?)
    }

    /// The path of a binary of a profile's build.
    fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(profile).join(name)
    }

    /// Runs a binary of the release build with the worker's path in its environment; whether it succeeded.
    fn run_binary(&self, name: &str, arguments: &[OsString], worker: &Path) -> Result<bool> {
        let binary = self.binary(name);
        let mut command = self.command(&binary);
        let status = command.args(arguments).env("TRIBUTARY_BIN", worker).status();
        Ok(status.with_context(|| format!("run {}", binary.display()))?.success())
    }

    /// Generates the connectors' pages, or (`check`) compares them with the existing ones.
    pub(crate) fn docs(&self, check: bool) -> Result<bool> {
        let mut arguments: Vec<OsString> = vec!["docs".into()];
        arguments.extend(check.then(|| "--check".into()));
        arguments.push("docs/connectors".into());
        self.run_binary("tributary", &arguments, &self.binary("tributary"))
    }
}
