use super::{File, Finding};

/// The intended maximum.
const WARN: usize = 300;
/// The hard maximum.
const FAIL: usize = 600;

/// The length of Rust files.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| file.is_rust()).filter_map(check_file).collect()
}

fn check_file(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    match lines {
        lines if lines > FAIL => {
            Some(Finding::error(&file.path, format!("{lines} lines, over {FAIL}: split it by concern")))
        }
        lines if lines > WARN => Some(Finding::warning(&file.path, format!("{lines} lines, over {WARN}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(lines: usize) -> Vec<bool> {
        let file = File::new("runtime/api/src/lib.rs", &"\n".repeat(lines));
        check(&[file]).iter().map(|finding| finding.fatal).collect()
    }

    #[test]
    fn warns_first_and_fails_later() {
        assert!(findings(WARN).is_empty());
        assert_eq!(findings(WARN + 1), [false]);
        assert_eq!(findings(FAIL), [false]);
        assert_eq!(findings(FAIL + 1), [true]);
    }

    #[test]
    fn only_rust_counts() {
        assert!(check(&[File::new("Cargo.lock", &"\n".repeat(9999))]).is_empty());
    }
}
