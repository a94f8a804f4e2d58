//! Folders and files that nobody but the worker's user may read.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tracing::warn;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// What a mode gives to others than the owner.
const OTHERS: u32 = 0o077;

/// Creates a folder, with those above it that are missing. One that is there is closed to others.
///
/// # Errors
/// When it can neither be found nor created.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    close(path)
}

/// Creates an empty file. One that is there is closed to others, and keeps what is in it.
///
/// # Errors
/// When it can neither be found nor created.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(FILE).open(path)?;
    close(path)
}

/// Takes from others what a file or folder gives them, if it is there.
///
/// # Errors
/// When it cannot be looked at.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    match close(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn close(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)) {
        // Somebody else's, lent to the worker: a volume of a container, for example.
        warn!(path = %path.display(), %error, "others than the worker's user may read this: close it, or make it the worker's");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_and_what_is_found_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let (folder, file) = (root.path().join("a/b"), root.path().join("a/b/c"));
        private_folder(&folder).unwrap();
        private_file(&file).unwrap();
        assert_eq!([&folder, &root.path().join("a")].map(|path| mode(path)), [FOLDER; 2]);
        assert_eq!(mode(&file), FILE);

        std::fs::write(&file, "kept").unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        private_folder(&folder).unwrap();
        close_to_others(&file).unwrap();
        assert_eq!((mode(&folder), mode(&file)), (FOLDER, FILE));
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        private_file(&file).unwrap();
        assert_eq!((mode(&file), std::fs::read_to_string(&file).unwrap().as_str()), (FILE, "kept"));
        close_to_others(&root.path().join("absent")).unwrap();
    }
}
