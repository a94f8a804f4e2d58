use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{
    Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};
use tributary_api::{Error, Result};

use crate::memory::no_such_slot;
use crate::store::Visit;
use crate::{Batch, Layout, Positions, STORE_FORMAT, Slot, Store};

type Keyed<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// One row holds format and positions.
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
const FORMAT_ROW: &str = "format";
const POSITIONS_ROW: &str = "positions";

/// A store in one redb file. Batches are atomic; they survive a crash of the machine from the last
/// [`flush`](Store::flush) on, and the changelog holds what came after.
pub struct DiskStore {
    path: PathBuf,
    names: Vec<String>,
    database: Database,
    /// Views of the last applied batch, opened once for a batch and not for each read.
    views: Vec<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    positions: Positions,
    /// Whether something was applied since the last durable commit.
    volatile: bool,
}

impl DiskStore {
    /// Opens or creates the store of a file. One that cannot be read, or has another format or layout, is created
    /// again, because the changelog contains everything.
    ///
    /// # Errors
    /// `Retriable` when another owner still has the file open; `Fatal` when the folder cannot be written.
    pub fn open(path: &Path, layout: &Layout, cache_bytes: usize) -> Result<Self> {
        if let Some(folder) = path.parent() {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            created.map_err(|error| failed("create the folder of", path, &error))?;
        }
        match Self::open_existing(path, layout, cache_bytes) {
            Ok(store) => return Ok(store),
            Err(error) if error.is_retriable() => return Err(error),
            Err(error) => tracing::warn!(path = %path.display(), %error, "recreating the state file"),
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
            _ => Self::open_existing(path, layout, cache_bytes),
        }
    }

    fn open_existing(path: &Path, layout: &Layout, cache_bytes: usize) -> Result<Self> {
        make_private(path).map_err(|error| failed("open", path, &error))?;
        let database = Database::builder().set_cache_size(cache_bytes).create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Error::retriable(format!(
                "state file {} is in use: wait for its task to end, or give each worker its own state.dir",
                path.display()
            )),
            error => failed("open", path, &error),
        })?;
        let mut store = Self {
            path: path.to_owned(),
            names: layout.names().to_vec(),
            database,
            views: Vec::new(),
            positions: Positions::default(),
            volatile: false,
        };
        match store.read_meta()? {
            None => store.initialise()?,
            Some((format, positions)) if format == STORE_FORMAT => store.positions = positions,
            Some((format, _)) => {
                return Err(Error::fatal(format!("store format is {format}, not {STORE_FORMAT}")));
            }
        }
        store.write(Durability::None, |_| Ok(()))?; // makes tables of stores that are new in the layout
        store.renew_views()?;
        Ok(store)
    }

    fn read_meta(&self) -> Result<Option<(u16, Positions)>> {
        let read = self.database.begin_read().map_err(|error| self.failed("read", &error))?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        let row = |name: &str| -> Result<Option<Vec<u8>>> {
            let row = meta.get(name).map_err(|error| self.failed("read", &error))?;
            Ok(row.map(|row| row.value().to_vec()))
        };
        let format = row(FORMAT_ROW)?.and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()).map_or(0, u16::from_be_bytes);
        let positions = match row(POSITIONS_ROW)? {
            Some(json) => serde_json::from_slice(&json).map_err(|error| self.failed("read", &error))?,
            None => Positions::default(),
        };
        Ok(Some((format, positions)))
    }

    fn initialise(&mut self) -> Result<()> {
        let path = self.path.clone();
        self.write(Durability::Immediate, |write| {
            let mut meta = write.open_table(META).map_err(|error| failed("write", &path, &error))?;
            let format = STORE_FORMAT.to_be_bytes();
            meta.insert(FORMAT_ROW, format.as_slice()).map_err(|error| failed("write", &path, &error))?;
            Ok(())
        })
    }

    /// One write transaction in which the tables of all stores exist.
    fn write(&mut self, durability: Durability, change: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        let mut write = self.database.begin_write().map_err(|error| self.failed("write", &error))?;
        write.set_durability(durability).map_err(|error| self.failed("write", &error))?;
        // A durable commit takes slightly longer, but opening after a crash does not have to read the whole file.
        write.set_quick_repair(matches!(durability, Durability::Immediate));
        if self.views.is_empty() {
            for name in &self.names {
                write.open_table(keyed(&table_name(name))).map_err(|error| self.failed("write", &error))?;
            }
        }
        change(&write)?;
        write.commit().map_err(|error| self.failed("write", &error))
    }

    fn renew_views(&mut self) -> Result<()> {
        self.views.clear();
        let read = self.database.begin_read().map_err(|error| self.failed("read", &error))?;
        for name in &self.names {
            let view = read.open_table(keyed(&table_name(name))).map_err(|error| self.failed("read", &error))?;
            self.views.push(view);
        }
        Ok(())
    }

    fn view(&self, slot: Slot) -> Result<&ReadOnlyTable<&'static [u8], &'static [u8]>> {
        self.views.get(slot.0).ok_or_else(|| no_such_slot(slot))
    }

    #[cold]
    fn failed(&self, what: &str, cause: &(dyn std::error::Error + 'static)) -> Error {
        failed(what, &self.path, cause)
    }
}

impl Store for DiskStore {
    fn get(&self, slot: Slot, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.view(slot)?.get(key).map_err(|error| self.failed("read", &error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<()> {
        if let Some((slot, ..)) = batch.changes.iter().find(|(slot, ..)| slot.0 >= self.names.len()) {
            return Err(no_such_slot(*slot));
        }
        let (path, names) = (self.path.clone(), self.names.clone());
        let wrong = |error: &(dyn std::error::Error + 'static)| failed("write", &path, error);
        self.write(Durability::None, |write| {
            for (index, name) in names.iter().enumerate() {
                let mut changes = batch.changes.iter().filter(|(slot, ..)| slot.0 == index).peekable();
                if changes.peek().is_none() {
                    continue;
                }
                let mut table = write.open_table(keyed(&table_name(name))).map_err(|error| wrong(&error))?;
                for (_, key, value) in changes {
                    match value {
                        Some(value) => drop(table.insert(&**key, &**value).map_err(|error| wrong(&error))?),
                        None => drop(table.remove(&**key).map_err(|error| wrong(&error))?),
                    }
                }
            }
            let positions = serde_json::to_vec(batch.positions).map_err(|error| wrong(&error))?;
            let mut meta = write.open_table(META).map_err(|error| wrong(&error))?;
            meta.insert(POSITIONS_ROW, positions.as_slice()).map_err(|error| wrong(&error))?;
            Ok(())
        })?;
        self.positions.clone_from(batch.positions);
        self.volatile = true;
        self.renew_views()
    }

    fn scan(&self, slot: Slot, visit: &mut Visit<'_>) -> Result<()> {
        for row in self.view(slot)?.iter().map_err(|error| self.failed("read", &error))? {
            let (key, value) = row.map_err(|error| self.failed("read", &error))?;
            visit(key.value(), value.value())?;
        }
        Ok(())
    }

    fn positions(&self) -> &Positions {
        &self.positions
    }

    fn clear(&mut self) -> Result<()> {
        let (path, names) = (self.path.clone(), self.names.clone());
        let wrong = |error: &(dyn std::error::Error + 'static)| failed("write", &path, error);
        self.write(Durability::Immediate, |write| {
            for name in &names {
                write.delete_table(keyed(&table_name(name))).map_err(|error| wrong(&error))?;
                write.open_table(keyed(&table_name(name))).map_err(|error| wrong(&error))?;
            }
            let mut meta = write.open_table(META).map_err(|error| wrong(&error))?;
            meta.remove(POSITIONS_ROW).map_err(|error| wrong(&error))?;
            Ok(())
        })?;
        self.positions = Positions::default();
        self.volatile = false;
        self.renew_views()
    }

    fn flush(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.volatile) {
            return Ok(());
        }
        self.write(Durability::Immediate, |_| Ok(()))?;
        self.renew_views()
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskStore({})", self.path.display())
    }
}

/// Personal data must be readable only for the worker's user; redb treats an empty file as a new one.
fn make_private(path: &Path) -> io::Result<()> {
    const MODE: u32 = 0o600;
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let is_open = file.metadata()?.permissions().mode() & 0o077 != 0;
    if is_open { file.set_permissions(Permissions::from_mode(MODE)) } else { Ok(()) }
}

fn table_name(store: &str) -> String {
    format!("store:{store}")
}

fn keyed(name: &str) -> Keyed<'_> {
    TableDefinition::new(name)
}

#[cold]
fn failed(what: &str, path: &Path, cause: &(dyn std::error::Error + 'static)) -> Error {
    Error::fatal(format!("cannot {what} state file {}: check its disk and rights", path.display())).cause(cause)
}
