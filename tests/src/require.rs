use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result, bail};

/// `all`: tests that would be skipped fail, except those whose server cannot be installed.
const REQUIRE: &str = "TRIBUTARY_TEST_REQUIRE";
/// A file to which each skip appends a line `TEST<tab>REASON`; `cargo xtask test` counts them.
const SKIPS: &str = "TRIBUTARY_TEST_SKIPS";

/// Names a replica set, for what needs transactions; that of docker-compose.yml is
/// `mongodb://127.0.0.1:27017/?directConnection=true`.
const REPLICA_SET: &str = "MONGODB_URI";

/// What a test needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// An Apache Kafka broker: Java and Maven.
    RealKafka,
    /// The Java Connect worker: the same.
    JavaConnect,
    /// Debezium in the Java Connect worker: Python with pip, too.
    Debezium,
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
    /// Bento: Go.
    Bento,
    /// A MongoDB replica set that `MONGODB_URI` names: there is none in a registry of packages.
    ReplicaSet,
}

impl Tier {
    /// Whether the tests need it wherever they run. What is only to be had by its address is a skip that is recorded and
    /// never an error.
    fn is_for_all(self) -> bool {
        self != Self::ReplicaSet
    }

    /// Why a test cannot run, if it cannot.
    fn missing(self) -> Option<String> {
        match self {
            Self::ReplicaSet => {
                std::env::var_os(REPLICA_SET).is_none().then(|| format!("{REPLICA_SET} names no replica set"))
            }
            _ => self.missing_program().map(|program| format!("{program} is not installed")),
        }
    }

    /// The name of the program that is missing, if any. One of several names of a program will do.
    fn missing_program(self) -> Option<&'static str> {
        let programs: &[&[&'static str]] = match self {
            Self::RealKafka | Self::JavaConnect => &[&["java"], &["mvn"], &["curl"]],
            Self::Debezium => &[&["java"], &["mvn"], &["curl"], &["python3"]],
            Self::Minio => &[&["go"], &["curl"]],
            Self::Mongo => &[&["javac"], &["mvn"]],
            Self::FerretDb | Self::Bento => &[&["go"]],
            Self::Moto => &[&["python3"], &["curl"]],
            Self::ServerlessOffline => &[&["node"], &["npm"]],
            Self::CargoLambda => &[&["python3"], &["cargo"]],
            Self::Browser => &[BROWSERS],
            Self::ReplicaSet => &[],
        };
        programs.iter().find(|names| find_program(names).is_none()).map(|names| names[0])
    }
}

/// The names under which systems install Chromium.
pub(crate) const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Whether this machine can run the test. If not, the skip is recorded, and the test must return at once: `if
/// !require(Tier::RealKafka)? { return Ok(()); }`. With `TRIBUTARY_TEST_REQUIRE=all` a skip is an error, but for
/// [`Tier::ReplicaSet`].
pub fn require(tier: Tier) -> Result<bool> {
    let Some(reason) = tier.missing() else { return Ok(true) };
    if tier.is_for_all() && std::env::var(REQUIRE).is_ok_and(|value| value == "all") {
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
    fn what_no_registry_has_is_no_error_anywhere() {
        assert!(Tier::Mongo.is_for_all() && !Tier::ReplicaSet.is_for_all());
        let named = std::env::var_os(REPLICA_SET).is_some();
        assert_eq!(Tier::ReplicaSet.missing().is_none(), named);
        assert_eq!(Tier::Bento.missing_program(), find_program(&["go"]).is_none().then_some("go"));
    }

    #[test]
    fn finds_programs_by_any_of_their_names() {
        assert!(find_program(&["no-such-program", "sh"]).is_some());
        assert!(find_program(&["no-such-program"]).is_none());
    }
}
