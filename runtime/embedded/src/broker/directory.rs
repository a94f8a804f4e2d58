//! The broker's data folder: its lock, its database file and the address by which the storage finds it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use url::Url;

use super::BrokerStorage;
use crate::error::Error;
use crate::private::{close_to_others, private_file, private_folder};

const DATABASE: &str = "broker.db";
const BESIDE_DATABASE: [&str; 2] = ["broker.db-wal", "broker.db-shm"];
const LOCK: &str = "broker.lock";
const MEMORY: &str = "memory://embedded/";

/// The location of the records. The folder is locked until this is dropped.
#[derive(Debug)]
pub(super) struct Location {
    url: Url,
    database: Option<PathBuf>,
    _lock: Option<File>,
}

impl Location {
    /// Creates and locks the folder, which is accessible only to its owner.
    pub(super) fn prepare(storage: &BrokerStorage) -> Result<Self, Error> {
        match storage {
            BrokerStorage::Memory => {
                let url = Url::parse(MEMORY).map_err(|error| Error::Setup(error.into()))?;
                Ok(Self { url, database: None, _lock: None })
            }
            BrokerStorage::Directory(folder) => Self::open(folder),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The SQLite file; `None` in memory.
    pub(super) fn database(&self) -> Option<&Path> {
        self.database.as_deref()
    }

    fn open(folder: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Directory { path: folder.to_path_buf(), source };
        private_folder(folder).map_err(unusable)?;
        let folder = folder.canonicalize().map_err(unusable)?;
        let lock = lock(&folder)?;
        let working = std::env::current_dir().and_then(|path| path.canonicalize()).map_err(unusable)?;
        let database = folder.join(DATABASE);
        // SQLite creates its other files with the same mode as the database.
        private_file(&database).map_err(unusable)?;
        let beside = BESIDE_DATABASE.map(|name| folder.join(name));
        beside.iter().try_for_each(|path| close_to_others(path)).map_err(unusable)?;
        let url = sqlite_url(&database, &working)?;
        Ok(Self { url, database: Some(database), _lock: Some(lock) })
    }
}

/// Prevents two brokers from using the same folder: each caches the ends of the log, and would not see the other's
/// appends.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = private_file(&path).and_then(|()| File::options().write(true).open(&path));
    let file = file.map_err(|source| Error::Directory { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: folder.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(Error::Directory { path, source }),
    }
}

/// The storage appends the URL's path, less its first slash and without decoding it, to the working directory. So a
/// file below that is named relative to it and any other keeps a second slash, which makes it absolute.
fn sqlite_url(database: &Path, working: &Path) -> Result<Url, Error> {
    let refused = || Error::Path { path: database.to_path_buf() };
    let name = database.strip_prefix(working).unwrap_or(database).to_str().ok_or_else(refused)?;
    let url = Url::parse(&format!("sqlite:///{name}")).map_err(|_| refused())?;
    if url.path().strip_prefix('/') == Some(name) && url.query().is_none() { Ok(url) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(database: &str, working: &str) -> Result<String, Error> {
        sqlite_url(Path::new(database), Path::new(working)).map(|url| url.to_string())
    }

    #[test]
    fn a_file_below_the_working_directory_is_relative() {
        assert_eq!(url("/srv/a b/data/broker.db", "/srv/a b").unwrap(), "sqlite:///data/broker.db");
    }

    #[test]
    fn an_absolute_file_is_not_put_below_the_folder() {
        assert_eq!(url("/var/lib/broker.db", "/srv").unwrap(), "sqlite:////var/lib/broker.db");
    }

    #[test]
    fn characters_that_an_address_would_change_are_refused() {
        for name in ["/x/a b/broker.db", "/x/a?b/broker.db", "/x/a#b/broker.db", "/x/\"/broker.db"] {
            assert!(matches!(url(name, "/srv"), Err(Error::Path { .. })), "{name}");
        }
    }

    #[test]
    fn a_folder_serves_one_broker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let storage = BrokerStorage::Directory(folder.path().to_path_buf());
        let first = Location::prepare(&storage).unwrap();
        assert!(matches!(Location::prepare(&storage), Err(Error::InUse { .. })));
        drop(first);
        Location::prepare(&storage).unwrap();
    }
}
