use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Reads a file that a configuration names. Pipes and devices are not read, for they may block or never end, nor is a file
/// of more bytes than the limit.
///
/// # Errors
/// The system's; of kind `InvalidInput` for what is not read, with the reason.
pub fn read_small_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    // Asked before it is opened: to open a pipe is to wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(refused("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    // A file may grow, and those of /proc do not say how long they are.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(refused(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_within_the_limit_is_read_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("tributary-small-file-{}", std::process::id()));
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_small_file(&path, 5).unwrap(), b"12345");
        let message = |path: &Path, limit| read_small_file(path, limit).unwrap_err().to_string();
        assert_eq!(message(&path, 4), "it has more than 4 bytes");
        fs::remove_file(&path).unwrap();
        // A folder, and a device that never ends.
        assert_eq!(message(&std::env::temp_dir(), 5), "it is not a regular file");
        assert_eq!(message(Path::new("/dev/zero"), 5), "it is not a regular file");
        assert_eq!(read_small_file(&path, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
