use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Generated folders.
const SKIPPED: [&str; 4] = [".git", "target", "data", "node_modules"];
/// What the checks read; by the end of the name, so that `Cargo.lock` and `Dockerfile` are of a kind too.
const READ: [&str; 10] =
    [".rs", ".md", ".json", ".yaml", ".yml", ".toml", ".properties", ".sh", ".liquid", "Cargo.lock"];

/// A file of the checkout.
#[derive(Debug)]
pub(super) struct File {
    /// From the checkout's folder, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust that only tests compile.
    pub(super) fn is_rust_test(&self) -> bool {
        self.is_rust()
            && (self.path.starts_with("tests/")
                || self.path.starts_with("runtime/testkit/")
                || self.path.contains("/tests/")
                || self.path.ends_with("/tests.rs"))
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// All text files that a check reads, sorted by path.
pub(super) fn read_files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    read_folder(root, "", &mut files)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            // Only a `data` at the top is the worker's; `configs/data` is ours.
            let made = SKIPPED.contains(&name.as_str()) && (prefix.is_empty() || name != "data");
            if !made {
                read_folder(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if READ.iter().any(|end| name.ends_with(end)) {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("read {path} as text"))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_written_and_skips_what_is_made() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/b.rs", "target/c.rs", "data/d.json", "configs/data/e.json", "a/f.bin"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        let paths: Vec<String> = read_files(root.path()).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["a/b.rs", "configs/data/e.json"]);
    }

    #[test]
    fn recognises_tests_by_their_path() {
        for path in ["tests/src/a.rs", "runtime/api/tests/b.rs", "runtime/api/src/c/tests.rs"] {
            assert!(File::new(path, "").is_rust_test(), "{path}");
        }
        assert!(!File::new("runtime/api/src/lib.rs", "").is_rust_test());
    }
}
