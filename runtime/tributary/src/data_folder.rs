//! The data folder, which only the worker's user may read, with the secrets that are generated at the first start.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use tributary_embedded::{close_to_others, private_folder};

/// The worker's files there, which identify a data folder that an earlier version left open to others.
const OURS: [&str; 6] = [BROKER_FOLDER, STORE_FOLDER, "demo", "state", SESSION_SECRET, STORE_KEYS];
pub(crate) const BROKER_FOLDER: &str = "kafka";
pub(crate) const STORE_FOLDER: &str = "s3";
const SESSION_SECRET: &str = "session.secret";
/// In the format of AWS's tools.
const STORE_KEYS: &str = "s3.credentials";
const ACCESS_KEY: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";

/// The keys of the embedded S3 endpoint.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreKeys {
    pub(crate) access: String,
    pub(crate) secret: String,
}

/// Closes an existing folder to others; if it contains other files too, only the worker's own are closed.
pub(crate) fn close(data: &Path) -> Result<()> {
    if let Some(file) = data.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
        bail!("{} is a file: move it away, or choose another folder with --data", file.display());
    }
    let closed = || {
        let mut entries = fs::read_dir(data)?;
        let is_ours = entries
            .all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(|name| OURS.contains(&name))));
        if is_ours { close_to_others(data) } else { Ok(()) }
    };
    match closed() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("close {} to others", data.display()))
        }
        _ => Ok(()),
    }
}

/// The secret for session tokens, stored so that sessions survive a restart.
pub(crate) fn session_secret(data: &Path) -> Result<String> {
    let text = kept(data, SESSION_SECRET, random_hex::<32>)?;
    Ok(text.trim().to_owned())
}

/// The keys of the embedded S3 endpoint.
pub(crate) fn store_keys(data: &Path) -> Result<StoreKeys> {
    let make = || {
        let (access, secret) = (random_hex::<10>().to_uppercase(), random_hex::<20>());
        format!("[default]\n{ACCESS_KEY} = {access}\n{SECRET_KEY} = {secret}\n")
    };
    let text = kept(data, STORE_KEYS, make)?;
    let value = |name: &str| {
        let values = text.lines().filter_map(|line| line.split_once('='));
        values.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
    };
    match (value(ACCESS_KEY), value(SECRET_KEY)) {
        (Some(access), Some(secret)) if !access.is_empty() && !secret.is_empty() => Ok(StoreKeys { access, secret }),
        _ => {
            bail!("{} has no {ACCESS_KEY} and {SECRET_KEY}: write both, or remove the file", keys_file(data).display())
        }
    }
}

/// Where the keys of the embedded S3 endpoint are.
pub(crate) fn keys_file(data: &Path) -> PathBuf {
    data.join(STORE_KEYS)
}

/// The content of a private file, created by `make` if it does not exist.
fn kept(data: &Path, name: &str, make: impl FnOnce() -> String) -> Result<String> {
    let path = data.join(name);
    close_to_others(&path).with_context(|| format!("close {} to others", path.display()))?;
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    }
    let text = make();
    private_folder(data).with_context(|| format!("create {}", data.display()))?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("write {}", path.display()))?;
    Ok(text)
}

fn random_hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = std::array::from_fn(|_| rand::random());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn open_up(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn secrets_are_created_once_with_private_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (secret, keys) = (session_secret(&data).unwrap(), store_keys(&data).unwrap());
        assert_eq!((secret.len(), keys.access.len(), keys.secret.len()), (64, 20, 40));
        assert!(session_secret(&data).unwrap() == secret && store_keys(&data).unwrap() == keys);
        assert_eq!((mode(&data), mode(&data.join(SESSION_SECRET)), mode(&keys_file(&data))), (0o700, 0o600, 0o600));

        let other = folder.path().join("other");
        assert!(session_secret(&other).unwrap() != secret && store_keys(&other).unwrap() != keys);
        open_up(&keys_file(&data), 0o644);
        store_keys(&data).unwrap();
        assert_eq!(mode(&keys_file(&data)), 0o600);
    }

    #[test]
    fn keys_of_an_operator_are_read_and_half_of_them_is_an_error() {
        let data = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(keys_file(data.path()), text).unwrap();
        write("[default]\naws_access_key_id=mine\n aws_secret_access_key = a=b \n");
        let keys = store_keys(data.path()).unwrap();
        assert_eq!((keys.access.as_str(), keys.secret.as_str()), ("mine", "a=b"));
        write("[default]\naws_access_key_id=mine\n");
        let error = store_keys(data.path()).err().unwrap().to_string();
        assert!(error.contains("s3.credentials has no aws_access_key_id and aws_secret_access_key"), "{error}");
    }

    #[test]
    fn an_earlier_versions_open_folder_is_made_private_and_a_shared_one_kept() {
        let root = tempfile::tempdir().unwrap();
        let (ours, shared) = (root.path().join("data"), root.path().join("home"));
        for data in [&ours, &shared] {
            fs::create_dir_all(data.join(BROKER_FOLDER)).unwrap();
            open_up(data, 0o755);
        }
        fs::write(shared.join("letter.txt"), "").unwrap();
        [&ours, &shared].into_iter().for_each(|data| close(data).unwrap());
        assert_eq!((mode(&ours), mode(&shared)), (0o700, 0o755));
        close(&root.path().join("absent")).unwrap();
        let file = shared.join("letter.txt");
        for data in [&file, &file.join("data")] {
            let error = close(data).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} is a file", file.display())), "{error}");
        }
    }
}
