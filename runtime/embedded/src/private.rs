//! Folders and files that only the worker's user may read.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tracing::warn;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// The permissions of a mode for others than the owner.
const OTHERS: u32 = 0o077;

/// Creates a folder and its missing parents. An existing one is closed to others.
///
/// # Errors
/// When it can neither be found nor created; a file in its place is named.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(file) = path.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
        let message = format!("{} is a file: move it away or choose another folder", file.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
    }
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    close(path)
}

/// Creates an empty file. An existing one is closed to others, and keeps its content.
///
/// # Errors
/// When it can neither be found nor created.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(FILE).open(path)?;
    close(path)
}

/// Removes the permissions of others from a file or folder, if it exists.
///
/// # Errors
/// When its permissions cannot be read.
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
        // It belongs to another user: a volume of a container, for example.
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
