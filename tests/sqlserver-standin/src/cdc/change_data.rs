//! Change data capture of a server: its databases, each with the end of its log and its capture agent.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{
    Change, Engines, Layout, LogPoint, System,
    agent::{self, Agent},
    capture, cleanup,
    history::History,
    image::Class,
    log::Log,
    lsn::Lsn,
    names, sqlite,
};
use crate::{
    clock::Clock,
    data::{Datum, SqlError},
};

/// When the log is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// By an agent in the background, with this pause when it has caught up.
    Every(Duration),
    /// Only when a test asks for it: [`crate::Standin::scan`], `EXEC sys.sp_cdc_scan`.
    Stepped,
}

/// How CDC behaves from the start.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) capture: Capture,
    /// Of the log sequence numbers.
    pub(crate) seed: u64,
}

/// All of CDC of a server.
pub(crate) struct ChangeData {
    pub(super) clock: Clock,
    pub(super) options: Options,
    engines: OnceLock<Weak<dyn Engines>>,
    databases: Mutex<HashMap<i32, Arc<Database>>>,
    /// `max text repl size`, in bytes; -1 for no limit.
    max_text: AtomicI64,
    between_cleanup_steps: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// What CDC keeps of a database while the server runs.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) log: Mutex<Log>,
    pub(super) history: Mutex<History>,
    pub(super) agent: Agent,
    /// Held by a scan: there is one at a time.
    pub(super) scanning: Mutex<()>,
}

impl std::fmt::Debug for ChangeData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeData").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ChangeData {
    pub(crate) fn new(clock: Clock, options: Options) -> Arc<ChangeData> {
        Arc::new(ChangeData {
            clock,
            options,
            engines: OnceLock::new(),
            databases: Mutex::default(),
            max_text: AtomicI64::new(65536),
            between_cleanup_steps: Mutex::default(),
        })
    }

    /// Tells where connections for the background come from; once, before the first database is opened.
    pub(crate) fn connect(&self, engines: Weak<dyn Engines>) {
        // A second call would be a second engine over the same databases: the first stays.
        let _ = self.engines.set(engines);
    }

    /// A database is there: at the server's start, and after CREATE DATABASE. Starts its agent if it is enabled.
    pub(crate) fn opened(self: &Arc<Self>, system: &mut dyn System) -> Result<(), SqlError> {
        let last = last_lsn(system);
        let database = Arc::new(Database {
            name: system.database().to_owned(),
            log: Mutex::new(Log::after(last, self.options.seed)),
            history: Mutex::default(),
            agent: Agent::default(),
            scanning: Mutex::default(),
        });
        lock(&self.databases).insert(system.database_id(), Arc::clone(&database));
        if last > Lsn::ZERO {
            agent::start(self, &database)?;
        }
        Ok(())
    }

    /// A database is gone.
    pub(crate) fn dropped(&self, database_id: i32) {
        if let Some(database) = lock(&self.databases).remove(&database_id) {
            database.agent.stop();
        }
    }

    /// Ends all agents and waits for them.
    pub(crate) fn shut_down(&self) {
        let databases: Vec<_> = lock(&self.databases).drain().map(|(_, database)| database).collect();
        for database in databases {
            database.agent.stop();
        }
    }

    /// Logs a statement's changes, or a part of them, of a table that is tracked. Errors: 7139 for a large value that may
    /// not be captured.
    pub(crate) fn statement(&self, at: &LogPoint<'_>, layout: &Layout, changes: &[Change]) -> Result<(), SqlError> {
        self.check_sizes(layout, changes)?;
        let database = self.database(at.database)?;
        lock(&database.log).statement(at, layout, changes, self.clock.local_datetime())
    }

    /// Right before the transaction's commit, with its connection.
    pub(crate) fn committing(&self, at: &LogPoint<'_>) -> Result<(), SqlError> {
        match self.database(at.database) {
            Ok(database) => lock(&database.log).committing(at, self.clock.local_datetime()),
            // A database that is being created or dropped has no log.
            Err(_) => Ok(()),
        }
    }

    /// After the commit.
    pub(crate) fn committed(&self, database_id: i32, transaction: u64) {
        if let Ok(database) = self.database(database_id) {
            lock(&database.log).ended(transaction);
            database.agent.committed();
        }
    }

    /// After a rollback of the whole transaction.
    pub(crate) fn rolled_back(&self, database_id: i32, transaction: u64) {
        if let Ok(database) = self.database(database_id) {
            lock(&database.log).ended(transaction);
        }
    }

    /// Sets `max text repl size`, in bytes; -1 for no limit.
    pub(crate) fn set_max_text_repl_size(&self, bytes: i64) {
        self.max_text.store(bytes, Ordering::SeqCst);
    }

    /// What a cleanup calls after it has raised the low-water mark and before it deletes.
    pub(crate) fn set_between_cleanup_steps(&self, hook: Option<Arc<dyn Fn() + Send + Sync>>) {
        *lock(&self.between_cleanup_steps) = hook;
    }

    /// Captures all that is committed; how many transactions that was.
    pub(crate) fn scan(&self, database: &str) -> Result<u64, SqlError> {
        agent::scan_all(self, &*self.database_named(database)?)
    }

    /// Keeps changes from being captured, or lets them again.
    pub(crate) fn pause(&self, database: &str, paused: bool) -> Result<(), SqlError> {
        self.database_named(database)?.agent.pause(paused);
        Ok(())
    }

    /// Makes each transaction take so long to capture.
    pub(crate) fn slow_down(&self, database: &str, by: Duration) -> Result<(), SqlError> {
        self.database_named(database)?.agent.slow_down(by);
        Ok(())
    }

    /// Makes the next scan fail at its end.
    pub(crate) fn fail_next(&self, database: &str) -> Result<(), SqlError> {
        self.database_named(database)?.agent.fail_next();
        Ok(())
    }

    /// Does what the cleanup job does.
    pub(crate) fn clean_up(&self, database: &str) -> Result<(), SqlError> {
        cleanup::by_retention(self, &mut *self.system(database)?)
    }

    pub(super) fn between_cleanup_steps(&self) {
        let hook = lock(&self.between_cleanup_steps).clone();
        if let Some(hook) = hook {
            hook();
        }
    }

    pub(super) fn database(&self, id: i32) -> Result<Arc<Database>, SqlError> {
        lock(&self.databases)
            .get(&id)
            .map(Arc::clone)
            .ok_or_else(|| SqlError::new(911, 16, 1, format!("Database {id} does not exist.")))
    }

    pub(super) fn database_named(&self, name: &str) -> Result<Arc<Database>, SqlError> {
        lock(&self.databases).values().find(|d| d.name.eq_ignore_ascii_case(name)).map(Arc::clone).ok_or_else(|| {
            SqlError::new(
                911,
                16,
                1,
                format!("Database '{name}' does not exist. Make sure that the name is entered correctly."),
            )
        })
    }

    /// All databases but the system's own, by their ids.
    pub(super) fn all_databases(&self) -> Vec<(i32, Arc<Database>)> {
        let mut all: Vec<_> = lock(&self.databases).iter().map(|(id, database)| (*id, Arc::clone(database))).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// A connection of its own to a database.
    pub(super) fn system(&self, database: &str) -> Result<Box<dyn System>, SqlError> {
        let engines = self.engines.get().and_then(Weak::upgrade);
        engines.ok_or_else(|| SqlError::new(17142, 14, 1, "The server is shutting down."))?.system(database)
    }

    fn check_sizes(&self, layout: &Layout, changes: &[Change]) -> Result<(), SqlError> {
        let limit = self.max_text.load(Ordering::Relaxed);
        if limit < 0 {
            return Ok(());
        }
        let large: Vec<usize> = (0..)
            .zip(&layout.columns)
            .filter(|(_, c)| matches!(Class::of(&c.r#type, c.computed), Class::Large | Class::LegacyLarge))
            .map(|(at, _)| at)
            .collect();
        for change in changes {
            let (before, after) = match change {
                Change::Insert { after } => (None, after),
                Change::Update { before, after } => (Some(before), after),
                Change::Delete { .. } => continue,
            };
            for &at in &large {
                let new = after.get(at);
                let size = new.map_or(0, size);
                if size > limit && before.and_then(|b| b.get(at)) != new {
                    return Err(too_large(size, limit));
                }
            }
        }
        Ok(())
    }
}

/// The bytes that a large value has for SQL Server: text is of one byte or two a character.
fn size(value: &Datum) -> i64 {
    let bytes = match value {
        Datum::Bytes(bytes) => bytes.len(),
        Datum::Text(text) => text.len(),
        Datum::Xml(text) => text.len() * 2,
        _ => 0,
    };
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn too_large(size: i64, limit: i64) -> SqlError {
    SqlError::new(
        7139,
        16,
        1,
        format!(
            "Length of LOB data ({size}) to be replicated exceeds configured maximum {limit}. Use the stored procedure \
             sp_configure to increase the configured maximum value for max text repl size option, which defaults to 65536. \
             A configured value of -1 indicates no limit, other that the limit imposed by the data type."
        ),
    )
}

/// The greatest LSN that the database has anywhere; zero when it is not enabled.
fn last_lsn(system: &dyn System) -> Lsn {
    let number = |query: String| {
        let found = system.connection().query_row(&query, [], |row| row.get::<_, Option<i64>>(0));
        found.ok().flatten().map_or(Lsn::ZERO, Lsn::from_integer)
    };
    let bytes = |query: String| {
        let found = system.connection().query_row(&query, [], |row| row.get::<_, Option<Vec<u8>>>(0));
        found.ok().flatten().and_then(|b| Lsn::from_bytes(&b)).unwrap_or_default()
    };
    let Ok(names) = names::Names::of(system) else { return Lsn::ZERO };
    let state = capture::position(system.connection(), &names.state).unwrap_or_default();
    state
        .max(number(format!("SELECT max(lsn) FROM {}", names.log)))
        .max(bytes(format!("SELECT max(start_lsn) FROM {}", names.lsn_time_mapping)))
        .max(bytes(format!("SELECT max(start_lsn) FROM {}", names.change_tables)))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the right to write `db<ID>` in the transaction at hand, so that an LSN given out now is the newest when that
/// commits.
pub(super) fn touch_log(system: &dyn System) -> Result<(), SqlError> {
    let touch = format!("DELETE FROM {} WHERE lsn < 0", names::log(system.database_id()));
    system.connection().execute(&touch, []).map(|_| ()).map_err(sqlite)
}
