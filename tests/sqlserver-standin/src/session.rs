//! The interface between the wire and the engine. A connection has one thread of its own: all of it is synchronous, and rows
//! go out while they are read.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use crate::data::{Column, Datum, SqlError, Type};

/// Whether the client still wants what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Flow {
    Continue,
    /// The statement was cancelled or the connection is gone: end the batch, say nothing more.
    Stop,
}

/// What kind of statement was done; its number is what the protocol calls the current command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    /// `SET`, `DECLARE`, `IF`, and all that has no number of its own.
    Other,
    Begin,
    Commit,
    Rollback,
    Use,
    CreateTable,
    DropTable,
    AlterTable,
    Truncate,
    Execute,
}

/// A change of the connection's state that the client is notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EnvChange {
    Database {
        from: String,
        to: String,
    },
    Language {
        from: String,
        to: String,
    },
    /// The new transaction's descriptor; never 0.
    Began(u64),
    /// The ended transaction's descriptor.
    Committed(u64),
    RolledBack(u64),
}

/// Takes what a request answers, in order.
///
/// A statement with rows: `columns`, then `order` if they are sorted, then `row` for each, then `done` with their count.
/// One without: `done`, with the count of rows it changed unless `SET NOCOUNT ON`. A failed one: `error`, then `done`
/// with none. Inside a procedure the same, and at its end `return_status` and each `return_value`.
pub(crate) trait Answer {
    fn columns(&mut self, columns: &[Column]) -> Flow;
    /// The ordinals, from 1, by which the rows are sorted.
    fn order(&mut self, ordinals: &[u16]);
    /// One value for each of the columns, of the column's type.
    fn row(&mut self, values: &[Datum]) -> Flow;
    fn done(&mut self, rows: Option<u64>, command: Command);
    fn info(&mut self, message: &SqlError);
    fn error(&mut self, error: &SqlError);
    fn env(&mut self, change: &EnvChange);
    fn return_status(&mut self, status: i32);
    /// The value of an output parameter, in the order of the call; the name begins with `@`.
    fn return_value(&mut self, name: &str, r#type: &Type, value: &Datum);
}

/// A procedure's argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    /// With `@`; empty when given by place.
    pub name: String,
    pub r#type: Type,
    pub value: Datum,
    /// The client wants its value back.
    pub output: bool,
    /// The client asks for the procedure's own default: `value` is null.
    pub default: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
    Snapshot,
}

/// What a client asks of its transaction without SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransactionRequest {
    /// `isolation` is none when it is to stay as it is; `name` may be empty.
    Begin {
        isolation: Option<Isolation>,
        name: String,
    },
    /// `then` begins the next one at once.
    Commit {
        name: String,
        then: Option<Box<TransactionRequest>>,
    },
    Rollback {
        name: String,
        then: Option<Box<TransactionRequest>>,
    },
    Save {
        name: String,
    },
}

/// Says to a running statement that it is to end. Cheap to ask for each row and in each wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    flags: AtomicU8,
    /// The connection whose session this is.
    stream: Option<TcpStream>,
}

impl Cancel {
    const CANCELLED: u8 = 1;
    const KILLED: u8 = 2;
    const BROKEN: u8 = 4;

    pub(crate) fn over(stream: TcpStream) -> Cancel {
        Cancel(Arc::new(CancelState { flags: AtomicU8::new(0), stream: Some(stream) }))
    }

    /// The client's cancellation: the statement ends, the session goes on.
    pub(crate) fn cancel(&self) {
        self.0.flags.fetch_or(Cancel::CANCELLED, Ordering::SeqCst);
    }

    /// `KILL`, or the connection is gone: the session ends, after an answer that is being given has been ended.
    pub(crate) fn kill(&self) {
        self.end(Cancel::KILLED);
    }

    /// The connection is reset at once, in the middle of whatever is being sent.
    pub(crate) fn reset(&self) {
        if let Some(stream) = &self.0.stream {
            // With this the last close of the socket is a reset, not an end.
            if let Err(error) = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
                tracing::debug!(%error, "the connection is closed, not reset");
            }
        }
        self.end(Cancel::KILLED | Cancel::BROKEN);
    }

    /// The server stops: nothing is waited for.
    pub(crate) fn abort(&self) {
        self.end(Cancel::KILLED | Cancel::BROKEN);
        if let Some(stream) = &self.0.stream {
            drop(stream.shutdown(Shutdown::Write));
        }
    }

    fn end(&self, flags: u8) {
        self.0.flags.fetch_or(flags, Ordering::SeqCst);
        if let Some(stream) = &self.0.stream {
            // Whoever reads comes to the end; it may be closed already.
            drop(stream.shutdown(Shutdown::Read));
        }
    }

    /// The wire has answered the client's cancellation.
    pub(crate) fn clear(&self) {
        self.0.flags.fetch_and(!Cancel::CANCELLED, Ordering::SeqCst);
    }

    /// The running statement is to end, for any reason.
    pub(crate) fn is_set(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) & Cancel::KILLED != 0
    }

    /// Nothing more is to be sent.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) & Cancel::BROKEN != 0
    }
}

/// Who logs in, and how.
#[derive(Clone)]
pub(crate) struct Login {
    /// The session's number, from 51.
    pub spid: u16,
    pub user: String,
    pub password: String,
    /// Empty for the user's own.
    pub database: String,
    pub host: String,
    pub application: String,
    /// The session's: kept by the engine for `KILL`, asked in each wait.
    pub cancel: Cancel,
}

/// A session of the engine.
pub(crate) trait Session: Send {
    /// The database in use, after the login.
    fn database(&self) -> String;
    /// Runs a batch. Errors go to the answer.
    fn batch(&mut self, sql: &str, answer: &mut dyn Answer);
    /// Runs a procedure by its name as the client wrote it (`sp_executesql`, `[sys].sp_columns_100`, `db..p`). Numbered
    /// procedures come with their names.
    fn call(&mut self, procedure: &str, parameters: &mut [Parameter], answer: &mut dyn Answer);
    fn transaction(&mut self, request: &TransactionRequest, answer: &mut dyn Answer);
    /// The client takes the connection from a pool: all as after the login. `keep_transaction` keeps an open one.
    fn reset(&mut self, keep_transaction: bool, answer: &mut dyn Answer);
}

/// The databases behind all sessions.
pub(crate) trait Engine: Send + Sync {
    /// The session, or why not: 18456, 4060, and so on.
    fn login(&self, login: &Login) -> Result<Box<dyn Session>, SqlError>;
}
