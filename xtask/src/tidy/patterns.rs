use super::{File, Finding};

/// A text that is not allowed in some files.
struct Pattern {
    /// Whether a line contains it.
    found: fn(&str) -> bool,
    /// The files that are checked.
    at: fn(&File) -> bool,
    message: &'static str,
}

const PATTERNS: [Pattern; 5] = [
    Pattern {
        found: |line| {
            ["TO", "FIX"].iter().zip(["DO", "ME"]).any(|(head, tail)| line.contains(&format!("{head}{tail}")))
        },
        at: |file| file.is_rust() || file.path.ends_with(".sh"),
        message: "do it, or open an issue that says what is missing",
    },
    Pattern {
        found: |line| code(line).starts_with("pub use") && line.contains("::*"),
        at: |file| file.is_rust(),
        message: "list what is exported by name, so that the crate's API can be read",
    },
    Pattern {
        found: is_global_state,
        at: |file| file.is_rust() && !file.is_rust_test() && !file.path.starts_with("xtask/"),
        message: "global state keeps two workers from running in one process: pass it where it is used",
    },
    Pattern {
        found: is_std_lock,
        at: |file| file.is_rust() && !file.is_rust_test() && !file.path.starts_with("xtask/"),
        message: "a panic would make every later lock of it fail: use parking_lot's locks, which it releases",
    },
    Pattern {
        found: |line| code(line).contains("cfg(feature"),
        at: |file| file.is_rust() && file.path.starts_with("connectors/"),
        message: "a connector has no feature flags: leave the crate out of the binary instead",
    },
];

/// Lines that clippy has no rule for.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let patterns: Vec<&Pattern> = PATTERNS.iter().filter(|pattern| (pattern.at)(file)).collect();
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        // By convention tests are at the end of a file.
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        for pattern in patterns.iter().filter(|pattern| (pattern.found)(line)) {
            findings.push(Finding::error(format_args!("{}:{}", file.path, number + 1), pattern.message));
        }
    }
    findings
}

fn is_global_state(line: &str) -> bool {
    let declares = |word: &str| code(line).trim_start_matches("pub ").starts_with(word);
    declares("thread_local!")
        || declares("static mut ")
        || (declares("static ") && ["Once", "Lazy", "Mutex", "RwLock", "Atomic"].iter().any(|kind| line.contains(kind)))
}

fn is_std_lock(line: &str) -> bool {
    let line = code(line);
    line.contains("PoisonError") || line.contains("std::sync::") && (line.contains("Mutex") || line.contains("RwLock"))
}

/// A line without what is before its first word; nothing, if it is a comment.
fn code(line: &str) -> &str {
    let line = line.trim_start();
    if line.starts_with("//") { "" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<String> {
        check(&[File::new(path, text)]).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn finds_todo_comments() {
        let marker = ["TO", "DO"].concat();
        assert_eq!(
            lines("runtime/api/src/a.rs", &format!("fn a() {{}}\n// {marker} later")),
            ["runtime/api/src/a.rs:2"]
        );
    }

    #[test]
    fn finds_nameless_exports() {
        assert_eq!(lines("runtime/api/src/a.rs", "pub use self::b::*;").len(), 1);
        assert_eq!(lines("runtime/api/src/a.rs", "pub use self::b::B;\nuse super::*;").len(), 0);
    }

    #[test]
    fn finds_global_state_outside_tests() {
        let registry = "static REGISTRY: OnceLock<Registry> = OnceLock::new();";
        assert_eq!(lines("runtime/api/src/a.rs", registry).len(), 1);
        assert_eq!(lines("runtime/api/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{registry}\n}}")).len(), 0);
        assert_eq!(lines("tests/src/a.rs", registry).len(), 0);
        assert_eq!(
            lines("runtime/api/src/a.rs", "static NAMES: [&str; 1] = [\"a\"];\n// static A: Mutex<u8>").len(),
            0
        );
    }

    #[test]
    fn finds_locks_that_a_panic_poisons() {
        let places = |text: &str| lines("runtime/api/src/a.rs", text).len();
        assert_eq!(places("use std::sync::{Arc, Mutex};\nstate: std::sync::RwLock<u8>,\nPoisonError::into_inner"), 3);
        assert_eq!(places("use std::sync::{Arc, Weak};\nuse parking_lot::Mutex;\nuse tokio::sync::Mutex;"), 0);
    }

    #[test]
    fn finds_feature_flags_in_connectors() {
        assert_eq!(lines("connectors/s3/src/a.rs", "#[cfg(feature = \"fast\")]").len(), 1);
        assert_eq!(lines("runtime/kafka/src/a.rs", "#[cfg(feature = \"fast\")]").len(), 0);
    }
}
