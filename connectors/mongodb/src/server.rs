use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc, serialize_to_raw_document_buf};
use mongodb::error::{Error as DriverError, ErrorKind as Driver};
use mongodb::{Client, ClientSession};
use parking_lot::Mutex;
use tributary_api::{Error, Result};

use crate::client::failure;

/// The wire version from which the command `bulkWrite` exists (MongoDB 8.0).
const WIRE_BULK_WRITE: i32 = 25;
/// What the driver adds to a command: session, cluster time, declared API.
const MESSAGE_RESERVE: usize = 16 * 1024;

/// The properties of the server, from its first answer to `hello`.
#[derive(Debug)]
pub(crate) struct Server {
    client: Client,
    /// The longest document it stores, in bytes.
    pub(crate) max_document: usize,
    /// The maximum size of a command in bytes, without what the driver adds.
    pub(crate) max_message: usize,
    /// The most writes in a command.
    pub(crate) max_writes: usize,
    /// Whether it recognises a numbered command that is sent twice, and supports transactions.
    pub(crate) replicated: bool,
    /// Whether commands are numbered: it is replicated, and the URI does not say `retryWrites=false`.
    pub(crate) numbered: bool,
    write_concern: Option<RawDocumentBuf>,
    bulk: AtomicBool,
    /// Sessions that no write uses at the moment.
    idle: Mutex<Vec<NumberedSession>>,
}

/// A session with the number of its last command. Numbers must only grow: the server considers a number that it has
/// seen before a repeated command, and writes nothing.
#[derive(Debug)]
pub(crate) struct NumberedSession {
    pub(crate) session: ClientSession,
    pub(crate) number: i64,
}

impl Server {
    /// Reads the server's properties.
    ///
    /// # Errors
    /// `Retriable` when there is none, `Config` when it refuses the credentials.
    pub(crate) async fn ask(client: Client, retry_writes: bool) -> Result<Self> {
        let hello = hello(&client).await?;
        let number = |name: &str, default: i32| {
            match hello.get(name) {
                Some(value) => value.as_i32().or_else(|| value.as_i64().and_then(|wide| i32::try_from(wide).ok())),
                None => None,
            }
            .unwrap_or(default)
        };
        let size = |name, default| usize::try_from(number(name, default)).unwrap_or_default();
        let has_sessions = hello.get("logicalSessionTimeoutMinutes").is_some_and(|value| value.as_null().is_none());
        let is_set = hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|text| text == "isdbgrid");
        let replicated = has_sessions && is_set;
        let concern = client.database("admin").write_concern().cloned();
        let write_concern = concern
            .filter(|concern| *concern != mongodb::options::WriteConcern::default())
            .map(|concern| serialize_to_raw_document_buf(&concern))
            .transpose()
            .map_err(|error| {
                Error::config_at("connection.uri", "the write concern of connection.uri cannot be used").cause(&error)
            })?;
        Ok(Self {
            max_document: size("maxBsonObjectSize", 16 * 1024 * 1024),
            max_message: size("maxMessageSizeBytes", 48_000_000).saturating_sub(MESSAGE_RESERVE),
            max_writes: size("maxWriteBatchSize", 100_000).max(1),
            replicated,
            numbered: replicated && retry_writes,
            write_concern,
            bulk: AtomicBool::new(number("maxWireVersion", 0) >= WIRE_BULK_WRITE),
            idle: Mutex::default(),
            client,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn write_concern(&self) -> Option<&RawDocument> {
        self.write_concern.as_deref()
    }

    /// Whether one command can hold writes of any kind to any collections.
    pub(crate) fn has_bulk_write(&self) -> bool {
        self.bulk.load(Ordering::Relaxed)
    }

    /// The server does not support it, or not for this user.
    pub(crate) fn forget_bulk_write(&self) {
        self.bulk.store(false, Ordering::Relaxed);
    }

    /// A session for commands with numbers.
    ///
    /// # Errors
    /// `Retriable` when there is no server.
    pub(crate) async fn session(&self) -> Result<NumberedSession> {
        if let Some(idle) = self.idle().pop() {
            return Ok(idle);
        }
        let session = self.client.start_session().await.map_err(|error| failure("cannot begin a session", &error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(NumberedSession { session, number: i64::try_from(now.as_micros()).unwrap_or_default() })
    }

    /// Returns a session, which later writes reuse.
    pub(crate) fn give_back(&self, session: NumberedSession) {
        self.idle().push(session);
    }

    /// Runs a command.
    ///
    /// # Errors
    /// The driver's.
    pub(crate) async fn run(
        &self,
        database: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
    ) -> Result<Document, DriverError> {
        let database = self.client.database(database);
        match session {
            Some(session) => database.run_raw_command(command).session(session).await,
            None => database.run_raw_command(command).await,
        }
    }

    fn idle(&self) -> parking_lot::MutexGuard<'_, Vec<NumberedSession>> {
        self.idle.lock()
    }
}

/// `hello`, or `isMaster` on older servers.
async fn hello(client: &Client) -> Result<Document> {
    let admin = client.database("admin");
    let what = "cannot read the server's type and version";
    match admin.run_command(doc! { "hello": 1 }).await {
        Ok(hello) => Ok(hello),
        // Servers that do not know it say so in different ways.
        Err(error) if matches!(*error.kind, Driver::Command(_) | Driver::InvalidResponse { .. }) => {
            match admin.run_command(doc! { "isMaster": 1 }).await {
                Ok(hello) => Ok(hello),
                Err(_) => Err(failure(what, &error)),
            }
        }
        Err(error) => Err(failure(what, &error)),
    }
}
