//! What the server as a whole knows: its databases and logins, kept in a file beside the databases.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cdc::{ChangeData, Function, Procedure, View};
use crate::clock::Clock;
use crate::data::{Collation, SqlError};
use crate::faults::Faults;
use crate::locks::Locks;
use crate::requests::Requests;
use crate::session::Cancel;
use crate::sql::catalog::{Catalog, Folded};

/// What `ALTER DATABASE` sets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DatabaseOptions {
    pub(crate) snapshot_isolation: bool,
    pub(crate) read_committed_snapshot: bool,
    pub(crate) read_only: bool,
    pub(crate) recovery: String,
    pub(crate) compatibility: u32,
    /// Change data capture is enabled.
    pub(crate) cdc: bool,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            snapshot_isolation: false,
            read_committed_snapshot: false,
            read_only: false,
            recovery: "FULL".to_owned(),
            compatibility: 160,
            cdc: false,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DatabaseRecord {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) collation: String,
    pub(crate) options: DatabaseOptions,
}

impl DatabaseRecord {
    pub(crate) fn collation(&self) -> Collation {
        Collation::named(&self.collation).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoginRecord {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) database: String,
    pub(crate) enabled: bool,
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) databases: BTreeMap<i32, DatabaseRecord>,
    pub(crate) logins: Vec<LoginRecord>,
}

/// What all sessions share.
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) locks: Locks,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
    pub(crate) changes: Arc<ChangeData>,
    pub(crate) functions: Vec<Function>,
    pub(crate) procedures: Vec<Procedure>,
    pub(crate) views: Vec<View>,
    state: Mutex<State>,
    /// The catalogues as they were last committed or read.
    pub(crate) catalogs: Mutex<HashMap<i32, Arc<Catalog>>>,
    /// The last identity value of each table: rollbacks do not take it back.
    pub(crate) identities: Mutex<HashMap<(i32, i32), i64>>,
    pub(crate) sessions: Mutex<HashMap<u16, Cancel>>,
    pub(crate) transactions: AtomicU64,
    pub(crate) row_version: AtomicI64,
    /// What was asked for and is not supported.
    pub(crate) unsupported: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What a server is made of.
pub(crate) struct Parts {
    pub(crate) folder: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) locks: Locks,
    pub(crate) faults: Faults,
    pub(crate) changes: Arc<ChangeData>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Reads what a folder holds, or begins with the system's databases and `sa`.
    pub(crate) fn open(parts: Parts, password: &str) -> Result<Self, SqlError> {
        let file = state_file(&parts.folder);
        let mut state: State = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(failed(&error.to_string())),
        };
        for (id, name) in [(1, "master"), (2, "tempdb"), (3, "model"), (4, "msdb")] {
            state.databases.entry(id).or_insert_with(|| DatabaseRecord {
                id,
                name: name.to_owned(),
                collation: Collation::DEFAULT.name().to_owned(),
                options: DatabaseOptions {
                    recovery: "SIMPLE".to_owned(),
                    snapshot_isolation: id == 1,
                    ..DatabaseOptions::default()
                },
            });
        }
        state.logins.retain(|login| login.name != "sa");
        state.logins.push(LoginRecord {
            name: "sa".to_owned(),
            password: password.to_owned(),
            database: "master".to_owned(),
            enabled: true,
            roles: vec!["sysadmin".to_owned()],
        });
        let Parts { folder, clock, locks, faults, changes } = parts;
        let mut procedures = crate::cdc::procedures(&changes);
        procedures.extend(crate::faults::procedures(&faults));
        let requests = Requests::default();
        procedures.extend(crate::requests::procedures(&requests));
        Ok(Self {
            folder,
            clock,
            locks,
            functions: crate::cdc::functions(),
            procedures,
            views: crate::cdc::views(&changes),
            faults,
            requests,
            changes,
            state: Mutex::new(state),
            catalogs: Mutex::default(),
            identities: Mutex::default(),
            sessions: Mutex::default(),
            transactions: AtomicU64::new(1000),
            row_version: AtomicI64::new(2000),
            unsupported: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the state and writes it down, or leaves it as it was.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let mut state = self.state();
        let mut changed = state.clone();
        let result = change(&mut changed)?;
        write(&state_file(&self.folder), &changed)?;
        *state = changed;
        Ok(result)
    }

    pub(crate) fn database(&self, name: &str) -> Option<DatabaseRecord> {
        let wanted = Folded::new(name);
        self.state().databases.values().find(|database| Folded::new(&database.name) == wanted).cloned()
    }

    pub(crate) fn database_by_id(&self, id: i32) -> Option<DatabaseRecord> {
        self.state().databases.get(&id).cloned()
    }

    pub(crate) fn file(&self, kind: &str, id: i32) -> PathBuf {
        self.folder.join(format!("{kind}{id}.sqlite"))
    }
}

fn state_file(folder: &Path) -> PathBuf {
    folder.join("server.json")
}

/// Beside the old file first, then in its place: a crash leaves one of them whole.
fn write(file: &Path, state: &State) -> Result<(), SqlError> {
    let bytes = serde_json::to_vec(state).map_err(|error| failed(&error.to_string()))?;
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, file))
        .map_err(|error| failed(&error.to_string()))
}

pub(crate) fn failed(why: &str) -> SqlError {
    SqlError::new(823, 24, 2, format!("The stand-in's storage failed: {why}"))
}
