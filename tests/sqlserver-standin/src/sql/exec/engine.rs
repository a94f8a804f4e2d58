//! The engine as the wire and change data capture see it.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::core::Core;
use super::server::{Parts, Server, lock};
use super::session::SqlSession;
use super::system::OwnedSystem;
use crate::cdc::{ChangeData, Engines, System};
use crate::clock::Clock;
use crate::data::SqlError;
use crate::faults::Faults;
use crate::locks::Locks;
use crate::session::{self, Login, Session};

/// What an engine is opened with.
pub(crate) struct Options {
    /// Where the databases are; made if it is not there.
    pub(crate) folder: PathBuf,
    /// Of `sa`.
    pub(crate) password: String,
    pub(crate) clock: Clock,
    pub(crate) locks: Locks,
    pub(crate) faults: Faults,
    pub(crate) changes: Arc<ChangeData>,
}

/// The databases of a folder.
#[derive(Debug)]
pub(crate) struct Engine {
    server: Arc<Server>,
}

impl Engine {
    /// Opens the databases of the folder, and registers each with change data capture.
    pub(crate) fn open(options: Options) -> Result<Arc<Self>, SqlError> {
        let Options { folder, password, clock, locks, faults, changes } = options;
        std::fs::create_dir_all(&folder).map_err(|error| super::server::failed(&error.to_string()))?;
        let server = Server::open(Parts { folder, clock, locks, faults, changes: Arc::clone(&changes) }, &password)?;
        let engine = Arc::new(Self { server: Arc::new(server) });
        let weak: Weak<Self> = Arc::downgrade(&engine);
        changes.connect(weak);
        let databases: Vec<_> =
            engine.server.state().databases.values().filter(|database| database.id > 4).cloned().collect();
        for database in databases {
            let mut system = engine.system(&database.name)?;
            changes.opened(&mut *system)?;
        }
        Ok(engine)
    }

    /// What statements asked for that the stand-in does not do.
    pub(crate) fn unsupported(&self) -> Vec<String> {
        lock(&self.server.unsupported).clone()
    }
}

impl session::Engine for Engine {
    fn login(&self, login: &Login) -> Result<Box<dyn Session>, SqlError> {
        let refused = || SqlError::new(18456, 14, 1, format!("Login failed for user '{}'.", login.user));
        let record =
            self.server.state().logins.iter().find(|known| known.name.eq_ignore_ascii_case(&login.user)).cloned();
        let record = record.filter(|record| record.enabled && record.password == login.password).ok_or_else(refused)?;
        let wanted = if login.database.is_empty() { record.database.clone() } else { login.database.clone() };
        let cannot_open = || {
            SqlError::new(
                4060,
                11,
                1,
                format!("Cannot open database \"{wanted}\" requested by the login. The login failed."),
            )
        };
        let mut core = Core::new(Arc::clone(&self.server), login.clone(), record.roles)?;
        let database = self.server.database(&wanted).ok_or_else(cannot_open)?;
        core.use_database(&database.name).map_err(|_| cannot_open())?;
        lock(&self.server.sessions).insert(login.spid, login.cancel.clone());
        Ok(Box::new(SqlSession::new(core)))
    }
}

impl Engines for Engine {
    fn system(&self, database: &str) -> Result<Box<dyn System>, SqlError> {
        Ok(Box::new(OwnedSystem::open(Arc::clone(&self.server), database)?))
    }
}
