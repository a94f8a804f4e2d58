//! `cargo xtask tidy`: rules for the checkout that no compiler checks. Each check is a function from files to findings, with
//! a test that shows that it finds violations.

mod compose;
mod configs;
mod contracts;
mod dependencies;
mod excerpts;
mod files;
mod guarantees;
mod links;
mod options;
mod patterns;
mod sizes;
mod standin;
mod template;
mod unused;

use std::fmt;

use anyhow::Result;

use self::files::{File, read_files};
use crate::workspace::Workspace;

/// An error, or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    message: String,
    fatal: bool,
}

impl Finding {
    fn error(place: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { place: place.to_string(), message: message.into(), fatal: true }
    }

    fn warning(place: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { fatal: false, ..Self::error(place, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.fatal { "error" } else { "warning" };
        write!(f, "{level}: {}: {}", self.place, self.message)
    }
}

/// Runs all checks; whether none found an error.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let files = read_files(workspace.root())?;
    let findings = [
        dependencies::check(&dependencies::edges(workspace.metadata())),
        sizes::check(&files),
        patterns::check(&files),
        configs::check(&files),
        contracts::check(&files),
        compose::check(&files, workspace.root()),
        links::check(&files, workspace.root()),
        options::check(&files),
        excerpts::check(&files),
        template::check(&files),
        guarantees::check(&files),
        standin::check(&files),
        unused::check(&files),
    ]
    .concat();
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.fatal).count();
    println!("tidy read {} files: {errors} errors, {} warnings", files.len(), findings.len() - errors);
    Ok(errors == 0)
}
