use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result, bail};

/// `all`: what would be skipped fails.
const REQUIRE: &str = "TRIBUTARY_TEST_REQUIRE";
/// A file to which each skip appends a line `TEST<tab>REASON`; `cargo xtask test` counts them.
const SKIPS: &str = "TRIBUTARY_TEST_SKIPS";

/// What a test needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// An Apache Kafka broker: Java and Maven.
    RealKafka,
    /// The Java Connect worker: the same.
    JavaConnect,
    /// MinIO: Go.
    Minio,
    /// mongo-java-server: a JDK and Maven.
    Mongo,
    /// FerretDB: Go.
    FerretDb,
    /// moto: Python with pip.
    Moto,
    /// serverless-offline: Node.js with npm.
    ServerlessOffline,
    /// cargo-lambda: Python with pip, and cargo.
    CargoLambda,
    /// A headless Chromium.
    Browser,
}

impl Tier {
    /// The name of the program that is missing, if any. One of several names of a program will do.
    fn missing(self) -> Option<&'static str> {
        let programs: &[&[&'static str]] = match self {
            Self::RealKafka | Self::JavaConnect => &[&["java"], &["mvn"], &["curl"]],
            Self::Minio => &[&["go"], &["curl"]],
            Self::Mongo => &[&["javac"], &["mvn"]],
            Self::FerretDb => &[&["go"]],
            Self::Moto => &[&["python3"], &["curl"]],
            Self::ServerlessOffline => &[&["node"], &["npm"]],
            Self::CargoLambda => &[&["python3"], &["cargo"]],
            Self::Browser => &[BROWSERS],
        };
        programs.iter().find(|names| find_program(names).is_none()).map(|names| names[0])
    }
}

/// The names under which systems install Chromium.
pub(crate) const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Whether this machine can run the test. If not, the skip is recorded, and the test is to return without a word:
/// `if !require(Tier::RealKafka)? { return Ok(()); }`. With `TRIBUTARY_TEST_REQUIRE=all` a skip is an error.
pub fn require(tier: Tier) -> Result<bool> {
    let Some(program) = tier.missing() else { return Ok(true) };
    let reason = format!("{program} is not installed");
    if std::env::var(REQUIRE).is_ok_and(|value| value == "all") {
        bail!("{reason}, and {REQUIRE}=all forbids to skip");
    }
    eprintln!("skipped: {reason}");
    if let Some(file) = std::env::var_os(SKIPS) {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let mut file = OpenOptions::new().append(true).create(true).open(file).context("open the list of skips")?;
        file.write_all(format!("{test}\t{reason}\n").as_bytes()).context("write the list of skips")?;
    }
    Ok(false)
}

/// The first of the names that is a file in a folder of `PATH`.
pub(crate) fn find_program(names: &[&str]) -> Option<std::path::PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_by_any_of_their_names() {
        assert!(find_program(&["no-such-program", "sh"]).is_some());
        assert!(find_program(&["no-such-program"]).is_none());
    }
}
