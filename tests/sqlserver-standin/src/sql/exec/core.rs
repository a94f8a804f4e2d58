//! A session's state and its connection to the storage.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::frame::Frame;
use super::options::SetOptions;
use super::server::{DatabaseRecord, Server, lock};
use super::transaction::Transaction;
use crate::clock::Clock;
use crate::data::{Collation, Column, Datum, SqlError, Type};
use crate::session::Login;
use crate::sql::catalog::{self, Catalog, Table, View};
use crate::sql::errors;
use crate::sql::plan::Sites;
use crate::sql::value::encode::{from_sqlite, to_sqlite};
use crate::sql::value::time::DateOrder;

/// A database that names are looked up in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InDatabase {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) collation: Collation,
}

impl InDatabase {
    pub(super) fn of(record: &DatabaseRecord) -> Self {
        Self { id: record.id, name: record.name.clone(), collation: record.collation() }
    }

    /// The name under which the file with its tables is attached.
    pub(crate) fn alias(&self) -> String {
        format!("db{}", self.id)
    }
}

/// What a name in `FROM` means.
#[derive(Debug)]
pub(crate) enum Source {
    Table {
        table: Arc<Table>,
        physical: String,
        database: InDatabase,
    },
    View {
        view: Arc<View>,
        database: InDatabase,
    },
    /// Rows that were put together for this statement; the columns are `c0`, `c1`, ...
    Rows {
        physical: String,
        columns: Vec<Column>,
        schema: String,
        database: InDatabase,
        /// The id that rights are given on, if it is for who has a right to it.
        table: Option<i32>,
    },
}

/// A session without its answers.
pub(crate) struct Core {
    pub(super) server: Arc<Server>,
    pub(super) connection: Connection,
    pub(super) sites: Sites,
    pub(super) login: Login,
    pub(super) roles: Vec<String>,
    pub(super) database: InDatabase,
    /// Attached databases, the one used last at the end.
    attached: Vec<i32>,
    pub(super) catalogs: HashMap<i32, Arc<Catalog>>,
    pub(super) temporary: Arc<Catalog>,
    pub(super) options: SetOptions,
    pub(super) transaction: Option<Transaction>,
    pub(super) identity_insert: Option<i32>,
    pub(super) rows: i64,
    pub(super) error: i32,
    pub(super) identity: Option<i64>,
    pub(super) nesting: u32,
    /// `TRY` blocks around.
    pub(super) trying: u32,
    /// Runs for the system: all rights, no faults.
    pub(super) internal: bool,
    materialised: usize,
    pub(super) prepared: super::prepared::Prepared,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("database", &self.database).finish_non_exhaustive()
    }
}

/// How long another session may take to open or close a file.
const OPENING: Duration = Duration::from_millis(20);

/// SQLite attaches ten files; each database has two.
const MAX_ATTACHED: usize = 5;

impl Core {
    pub(super) fn new(server: Arc<Server>, login: Login, roles: Vec<String>) -> Result<Self, SqlError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_in_memory_with_flags(flags).map_err(|error| errors::storage(&error))?;
        connection.set_prepared_statement_cache_capacity(64);
        let sites = Sites::default();
        sites.register(&connection).map_err(|error| errors::storage(&error))?;
        catalog::create(&connection, "main").map_err(|error| errors::storage(&error))?;
        // Writers wait by themselves. Readers only meet a lock in the moment in which a file is opened or closed.
        connection.busy_timeout(OPENING).map_err(|error| errors::storage(&error))?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(|error| errors::storage(&error))?;
        let cancel = login.cancel.clone();
        let stopped = Some(move || cancel.is_set());
        connection.progress_handler(10_000, stopped).map_err(|error| errors::storage(&error))?;
        let master = server.database_by_id(1).ok_or_else(|| errors::database_missing("master"))?;
        let mut core = Self {
            server,
            connection,
            sites,
            login,
            roles,
            database: InDatabase::of(&master),
            attached: Vec::new(),
            catalogs: HashMap::new(),
            temporary: Arc::new(Catalog::default()),
            options: SetOptions::default(),
            transaction: None,
            identity_insert: None,
            rows: 0,
            error: 0,
            identity: None,
            nesting: 0,
            trying: 0,
            internal: false,
            materialised: 0,
            prepared: super::prepared::Prepared::default(),
        };
        core.temporary = Arc::new(catalog::load(&core.connection, "main").map_err(|error| core.failure(error))?);
        Ok(core)
    }

    pub(crate) fn current(&self) -> InDatabase {
        self.database.clone()
    }

    pub(crate) fn sites(&self) -> &Sites {
        &self.sites
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.server.clock
    }

    pub(crate) fn date_order(&self) -> DateOrder {
        self.options.date_order
    }

    pub(crate) fn date_first(&self) -> i32 {
        self.options.date_first
    }

    pub(crate) fn options(&self) -> &SetOptions {
        &self.options
    }

    pub(crate) fn option_bits(&self) -> i64 {
        self.options.bits()
    }

    pub(crate) fn lock_timeout_millis(&self) -> i64 {
        self.options.lock_timeout
    }

    pub(crate) fn spid(&self) -> u16 {
        self.login.spid
    }

    pub(crate) fn server_name(&self) -> &'static str {
        "STANDIN"
    }

    pub(crate) fn login(&self) -> &str {
        &self.login.user
    }

    pub(crate) fn host(&self) -> &str {
        &self.login.host
    }

    pub(crate) fn application(&self) -> &str {
        &self.login.application
    }

    pub(crate) fn row_count(&self) -> i64 {
        self.rows
    }

    pub(crate) fn last_error(&self) -> i32 {
        self.error
    }

    pub(crate) fn nesting(&self) -> u32 {
        self.nesting
    }

    pub(crate) fn last_identity(&self) -> Datum {
        self.identity.map_or(Datum::Null, |last| crate::sql::value::number::decimal(i128::from(last), 38, 0))
    }

    pub(crate) fn last_row_version(&self) -> i64 {
        self.server.row_version.load(Ordering::SeqCst)
    }

    pub(crate) fn server_roles(&self) -> Vec<String> {
        self.roles.clone()
    }

    pub(crate) fn in_database(&mut self, name: &str) -> Result<InDatabase, SqlError> {
        let record = self.server.database(name).ok_or_else(|| errors::database_missing(name))?;
        let database = InDatabase::of(&record);
        if !self.may_use(&database)? {
            return Err(errors::not_authorised(&self.login.user, name));
        }
        Ok(database)
    }

    pub(super) fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        self.database = self.in_database(name)?;
        Ok(())
    }

    /// An error of SQLite as T-SQL's: what a function of ours raised, a lock that was not had, or a fault.
    pub(super) fn failure(&self, error: rusqlite::Error) -> SqlError {
        if let Some(raised) = self.sites.take_failure() {
            return raised;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) if is_stale(&error) => errors::update_conflict(&self.database.name),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => errors::lock_timeout(),
            Some(ErrorCode::OperationInterrupted) => errors::killed(),
            _ => {
                tracing::warn!(%error, "the storage refused a statement");
                errors::storage(&error)
            }
        }
    }

    /// Makes sure that a database's files are attached.
    pub(crate) fn attach(&mut self, id: i32) -> Result<(), SqlError> {
        if let Some(at) = self.attached.iter().position(|attached| *attached == id) {
            let id = self.attached.remove(at);
            self.attached.push(id);
            return Ok(());
        }
        if self.attached.len() >= MAX_ATTACHED {
            let oldest = self.attached.remove(0);
            self.catalogs.remove(&oldest);
            let detach = format!("DETACH db{oldest}; DETACH cdc{oldest};");
            self.connection.execute_batch(&detach).map_err(|error| self.failure(error))?;
        }
        for kind in ["db", "cdc"] {
            let file = self.server.file(kind, id);
            let sql = format!("ATTACH ?1 AS {kind}{id}");
            self.connection.execute(&sql, [file.to_string_lossy()]).map_err(|error| self.failure(error))?;
            // Within a transaction neither can be set: the file exists then, and is as its first session has made it.
            if self.connection.is_autocommit() {
                // Two sessions may make the file at once: one of them waits.
                self.retry_while_busy(|core| {
                    core.connection.execute_batch(&format!(
                        "PRAGMA {kind}{id}.journal_mode = WAL; PRAGMA {kind}{id}.synchronous = OFF;"
                    ))
                })?;
            }
        }
        let exists: bool = self
            .connection
            .query_row(
                &format!("SELECT count(*) > 0 FROM db{id}.sqlite_master WHERE name = 'standin_version'"),
                [],
                |row| row.get(0),
            )
            .map_err(|error| self.failure(error))?;
        if !exists {
            self.retry_while_busy(|core| catalog::create(&core.connection, &format!("db{id}")))?;
        }
        self.attached.push(id);
        Ok(())
    }

    pub(super) fn detach(&mut self, id: i32) {
        if let Some(at) = self.attached.iter().position(|attached| *attached == id) {
            self.attached.remove(at);
            self.catalogs.remove(&id);
            if let Err(error) = self.connection.execute_batch(&format!("DETACH db{id}; DETACH cdc{id};")) {
                tracing::debug!(%error, "a database was still in use");
            }
        }
    }

    /// Tries until no other session writes, at most for `LOCK_TIMEOUT`.
    pub(super) fn retry_while_busy<T>(
        &self,
        mut attempt: impl FnMut(&Self) -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        let started = std::time::Instant::now();
        loop {
            let error = match attempt(self) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let busy = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
            let patience = u64::try_from(self.options.lock_timeout).map(Duration::from_millis).ok();
            let over = patience.is_some_and(|patience| started.elapsed() >= patience);
            if !busy || over || self.login.cancel.is_set() || is_stale(&error) {
                return Err(self.failure(error));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// The catalogue of a database as this session sees it now.
    pub(crate) fn catalog(&mut self, id: i32) -> Result<Arc<Catalog>, SqlError> {
        self.attach(id)?;
        let alias = format!("db{id}");
        let version = catalog::version(&self.connection, &alias).map_err(|error| self.failure(error))?;
        if let Some(known) = self.catalogs.get(&id).filter(|known| known.version == version) {
            return Ok(Arc::clone(known));
        }
        let shared = lock(&self.server.catalogs).get(&id).filter(|known| known.version == version).cloned();
        let found = match shared {
            Some(shared) => shared,
            None => {
                let loaded = Arc::new(catalog::load(&self.connection, &alias).map_err(|error| self.failure(error))?);
                if self.transaction.is_none() {
                    lock(&self.server.catalogs).insert(id, Arc::clone(&loaded));
                }
                loaded
            }
        };
        self.catalogs.insert(id, Arc::clone(&found));
        Ok(found)
    }

    /// A value computed by itself.
    pub(crate) fn evaluate(&self, sql: &str, parameters: &[Value], kind: &Type) -> Result<Datum, SqlError> {
        let query = || {
            let mut statement = self.connection.prepare_cached(&format!("SELECT {sql}"))?;
            bind(&mut statement, parameters)?;
            let mut rows = statement.raw_query();
            rows.next()?.map_or(Ok(Datum::Null), |row| Ok::<_, rusqlite::Error>(from_sqlite(row.get_ref(0)?, kind)))
        };
        query().map_err(|error| self.failure(error))
    }

    /// Puts rows into a table of this session's own; its name.
    pub(crate) fn materialise(&mut self, columns: &[Column], rows: &[Vec<Datum>]) -> Result<String, SqlError> {
        self.materialised += 1;
        let name = format!("main.standin_rows{}", self.materialised);
        let definitions: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let collation = column.r#type.collation().map(crate::sql::value::collate::sqlite_name);
                format!("c{at}{}", collation.map(|name| format!(" COLLATE {name}")).unwrap_or_default())
            })
            .collect();
        let places: Vec<_> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let fill = || {
            self.connection.execute_batch(&format!("CREATE TABLE {name} ({})", definitions.join(", ")))?;
            let mut insert = self.connection.prepare(&format!("INSERT INTO {name} VALUES ({})", places.join(", ")))?;
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row.iter().map(to_sqlite)))?;
            }
            Ok(())
        };
        fill().map_err(|error| self.failure(error))?;
        Ok(name)
    }

    /// Drops what [`Core::materialise`] made, after the statement.
    pub(super) fn clear_materialised(&mut self) {
        for at in 1..=std::mem::take(&mut self.materialised) {
            if let Err(error) = self.connection.execute_batch(&format!("DROP TABLE IF EXISTS main.standin_rows{at}")) {
                tracing::debug!(%error, "rows of a statement stay for the next one");
            }
        }
    }

    pub(crate) fn table_variable(&self, frame: &Frame, name: &str) -> Result<Arc<Table>, SqlError> {
        let id = frame.tables.get(&catalog::Folded::new(name));
        let table = id.and_then(|id| self.temporary.tables.get(id)).cloned();
        table.ok_or_else(|| errors::undeclared_table_variable(name))
    }

    pub(crate) fn temporary_name(&self, table: &Table) -> String {
        format!("main.t{}", table.id)
    }

    /// What is not supported goes into the strict log.
    pub(super) fn note_unsupported(&self, what: &str) {
        tracing::warn!(what, "a statement asked for what the stand-in does not do");
        let mut log = lock(&self.server.unsupported);
        if log.len() < 1000 && !log.iter().any(|known| known == what) {
            log.push(what.to_owned());
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.server.locks.release_all(self.login.spid);
        lock(&self.server.sessions).remove(&self.login.spid);
    }
}

/// What is read is not the newest any more: it cannot be written.
fn is_stale(error: &rusqlite::Error) -> bool {
    error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_BUSY_SNAPSHOT)
}

/// Binds as many parameters as the statement has.
pub(super) fn bind(statement: &mut rusqlite::Statement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    let count = statement.parameter_count();
    for (at, value) in parameters.iter().take(count).enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    Ok(())
}
