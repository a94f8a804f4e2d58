use std::io::BufReader;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::{Artifact, CompilerMessage, Message, PackageId, TargetKind};

use super::tiers::TIERS;
use crate::workspace::Workspace;

// One command for all targets of all packages: with fewer packages cargo would choose other features for the
// dependencies, and build them once more.
const BUILD: [&str; 5] = ["build", "--release", "--workspace", "--all-targets", "--message-format=json"];

/// A program made of tests.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) package: String,
    /// The name of the target: that of the file for an integration test.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) executable: PathBuf,
    /// The package's folder, which is a test's working directory.
    pub(super) folder: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// The tests inside a library or binary.
    #[default]
    Unit,
    /// A file under `tests/`.
    Integration,
}

/// The result of building everything.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) programs: Vec<Program>,
    /// The warnings of clippy and the compiler about our packages.
    pub(super) warnings: usize,
}

/// Builds and lints everything at once, the stand-in only `with_standin`; `None` if it does not compile.
pub(super) fn build(workspace: &Workspace, with_standin: bool) -> Result<Option<Build>> {
    let mut build = Build::default();
    let mut compiles = build_one(workspace, &BUILD, &mut build)?;
    if compiles && with_standin {
        compiles = build_one(workspace, &[&BUILD[..], &workspace.standin()].concat(), &mut build)?;
    }
    if !compiles {
        return Ok(None);
    }
    build.programs.sort_by(|one, other| (&one.package, &one.name).cmp(&(&other.package, &other.name)));
    for program in &build.programs {
        let in_a_tier = TIERS.iter().any(|tier| (tier.holds)(program));
        ensure!(in_a_tier, "{} of {} is in no tier, add it to xtask's list", program.name, program.package);
    }
    Ok(Some(build))
}

/// Runs one cargo command and adds what it built; whether it succeeded.
fn build_one(workspace: &Workspace, arguments: &[&str], build: &mut Build) -> Result<bool> {
    println!("cargo {}", arguments.join(" "));
    let mut child = workspace.linting_cargo(arguments).stdout(Stdio::piped()).spawn().context("run cargo build")?;
    let output = child.stdout.take().context("read cargo's messages")?;
    for message in Message::parse_stream(BufReader::new(output)) {
        match message? {
            Message::CompilerArtifact(artifact) => build.programs.extend(program(workspace, artifact)),
            Message::CompilerMessage(message) => build.warnings += usize::from(show(workspace, &message)),
            _ => {}
        }
    }
    Ok(child.wait()?.success())
}

/// Prints what the compiler says; whether it is a warning about one of our packages.
fn show(workspace: &Workspace, message: &CompilerMessage) -> bool {
    eprintln!("{}", message.message.rendered.as_deref().unwrap_or(&message.message.message));
    let ours = |id: &PackageId| workspace.packages().any(|package| package.id == *id);
    message.message.level == DiagnosticLevel::Warning && ours(&message.package_id)
}

fn program(workspace: &Workspace, artifact: Artifact) -> Option<Program> {
    let executable = artifact.executable.filter(|_| artifact.profile.test)?;
    let package = workspace.packages().find(|package| package.id == artifact.package_id)?;
    let integration = artifact.target.kind.contains(&TargetKind::Test);
    Some(Program {
        package: package.name.to_string(),
        name: artifact.target.name,
        kind: if integration { Kind::Integration } else { Kind::Unit },
        executable: executable.into_std_path_buf(),
        folder: package.manifest_path.parent()?.as_std_path().to_owned(),
    })
}
