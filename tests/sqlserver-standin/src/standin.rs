//! Starting and stopping the server, and what a test in the same process may do with it.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Capture, Clock, Encryption, Faults, Local,
    cdc::{self, ChangeData},
    data::SqlError,
    locks::Locks,
    sql, wire,
};

/// The name and the password of the administrator, unless the builder says otherwise.
pub const USER: &str = "sa";
pub const PASSWORD: &str = "Standin-2022!";

/// A running server. Its drop ends all connections; data that was not given a folder is gone then.
pub struct Standin {
    server: wire::Server,
    engine: Arc<sql::Engine>,
    changes: Arc<ChangeData>,
    clock: Clock,
    faults: Faults,
    password: String,
    // Last: the engine's files are in it.
    _folder: Option<TempDir>,
}

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Builder {
    address: SocketAddr,
    encryption: Encryption,
    capture: Capture,
    clock: Clock,
    password: String,
    folder: Option<PathBuf>,
    seed: u64,
    message_limit: usize,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot use the data folder {folder}: {source}")]
    Folder { folder: String, source: io::Error },
    #[error("cannot open the databases: {0}")]
    Databases(#[from] SqlError),
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            encryption: Encryption::default(),
            capture: Capture::Every(Duration::from_secs(5)),
            clock: Clock::system(),
            password: PASSWORD.to_owned(),
            folder: None,
            seed: 1,
            message_limit: 64 << 20,
        }
    }
}

impl Builder {
    /// Where to listen; port 0 is a free one. Not said: a free port of this machine only.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Builder {
        self.address = address;
        self
    }

    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Builder {
        self.encryption = encryption;
        self
    }

    /// When the log is scanned. Not said: every five seconds, as SQL Server does.
    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Builder {
        self.capture = capture;
        self
    }

    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Builder {
        self.clock = clock;
        self
    }

    /// The password of `sa`.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Builder {
        self.password = password.into();
        self
    }

    /// Where the data is kept, also over restarts. Not said: in memory where the machine has a file system there.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Builder {
        self.folder = Some(folder.into());
        self
    }

    /// Decides what SQL Server leaves open: how log sequence numbers jump, how rows are written on the wire.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = seed;
        self
    }

    pub fn start(self) -> Result<Standin, StartError> {
        let (folder, temporary) = self.make_folder()?;
        let options = cdc::Options { capture: self.capture, seed: self.seed };
        let changes = ChangeData::new(self.clock.clone(), options);
        let faults = Faults::default();
        let engine = sql::Engine::open(sql::Options {
            folder,
            password: self.password.clone(),
            clock: self.clock.clone(),
            locks: Locks::default(),
            faults: faults.clone(),
            changes: Arc::clone(&changes),
        })?;
        let options = wire::Options {
            address: self.address,
            encryption: self.encryption,
            seed: self.seed,
            message_limit: self.message_limit,
        };
        let server = wire::Server::start(options, engine.clone(), faults.clone())
            .map_err(|source| StartError::Listen { address: self.address, source })?;
        Ok(Standin { server, engine, changes, clock: self.clock, faults, password: self.password, _folder: temporary })
    }

    fn make_folder(&self) -> Result<(PathBuf, Option<TempDir>), StartError> {
        let failed =
            |folder: &std::path::Path, source| StartError::Folder { folder: folder.display().to_string(), source };
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
            return Ok((folder.clone(), None));
        }
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new()
            .prefix("sqlserver-standin-")
            .tempdir_in(&parent)
            .map_err(|e| failed(&parent, e))?;
        Ok((folder.path().to_owned(), Some(folder)))
    }
}

impl Standin {
    /// A server on a free port of this machine with its data in memory.
    pub fn start() -> Result<Standin, StartError> {
        Builder::default().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The certificate of encrypted connections, for clients that are to trust it.
    pub fn certificate_pem(&self) -> &str {
        self.server.certificate_pem()
    }

    /// The password of [`USER`].
    pub fn password(&self) -> &str {
        &self.password
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The sessions' numbers that are connected.
    pub fn sessions(&self) -> Vec<u16> {
        self.server.sessions()
    }

    /// A session of the administrator in this process, without the wire.
    pub fn local(&self, database: &str) -> Result<Local, SqlError> {
        Local::open(&*self.engine, &self.password, database)
    }

    /// Captures all that is committed in a database; how many transactions that was.
    pub fn scan(&self, database: &str) -> Result<u64, SqlError> {
        self.changes.scan(database)
    }

    /// Keeps changes from being captured, or lets them again: the agent is paused.
    pub fn pause_capture(&self, database: &str, paused: bool) -> Result<(), SqlError> {
        self.changes.pause(database, paused)
    }

    /// Makes each transaction take so long to capture.
    pub fn slow_capture(&self, database: &str, by: Duration) -> Result<(), SqlError> {
        self.changes.slow_down(database, by)
    }

    /// Makes the next scan fail at its end; nothing of it is seen.
    pub fn fail_next_scan(&self, database: &str) -> Result<(), SqlError> {
        self.changes.fail_next(database)
    }

    /// Does what the cleanup job does at night.
    pub fn clean_up(&self, database: &str) -> Result<(), SqlError> {
        self.changes.clean_up(database)
    }

    /// What each cleanup calls after it has raised the low-water mark and before it deletes; none: nothing.
    pub fn between_cleanup_steps(&self, hook: Option<Arc<dyn Fn() + Send + Sync>>) {
        self.changes.set_between_cleanup_steps(hook);
    }

    /// `max text repl size`, in bytes; -1 for no limit.
    pub fn set_max_text_repl_size(&self, bytes: i64) {
        self.changes.set_max_text_repl_size(bytes);
    }

    /// What clients asked for that is not supported.
    pub fn unsupported(&self) -> Vec<String> {
        self.engine.unsupported()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.changes.shut_down();
    }
}

impl fmt::Debug for Standin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standin").field("address", &self.address()).finish_non_exhaustive()
    }
}
