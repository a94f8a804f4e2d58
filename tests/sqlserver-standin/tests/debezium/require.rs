//! Whether the tests run here. The variables are those of all tests that need more than a Rust toolchain.

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

/// `1`: run without `cargo xtask test`.
const WANTED: &str = "STANDIN_DEBEZIUM";
/// `all`: what would be skipped fails.
const REQUIRE: &str = "TRIBUTARY_TEST_REQUIRE";
/// A file to which each skip appends a line `TEST<tab>REASON`; set by `cargo xtask test`, which counts them.
const SKIPS: &str = "TRIBUTARY_TEST_SKIPS";

/// `java` runs a source file only with the compiler of a JDK.
const PROGRAMS: [&str; 5] = ["java", "javac", "mvn", "curl", "python3"];

/// Whether the test is to run; if not, the skip is recorded.
pub(crate) fn wanted() -> bool {
    let Some(reason) = reason_to_skip() else { return true };
    assert!(!required(), "{reason}, and {REQUIRE}=all forbids to skip");
    eprintln!("skipped: {reason}");
    if let Some(file) = env::var_os(SKIPS) {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(format!("{test}\t{reason}\n").as_bytes()).unwrap();
    }
    false
}

fn required() -> bool {
    env::var(REQUIRE).is_ok_and(|value| value == "all")
}

fn reason_to_skip() -> Option<String> {
    let asked = env::var(WANTED).is_ok_and(|value| value == "1");
    if !(asked || required() || env::var_os(SKIPS).is_some()) {
        return Some(format!("Debezium is run by `cargo xtask test`, or with {WANTED}=1"));
    }
    let missing = PROGRAMS.iter().find(|name| find_program(name).is_none())?;
    Some(format!("{missing} is not installed"))
}

fn find_program(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}
