//! What CDC and the SQL engine know of one another.

use std::sync::Arc;

use rusqlite::Connection;

use crate::data::{Column, Datum, SqlError, Type};
use crate::session::{Answer, Parameter};

/// A user table as DML sees it at the moment: what a log record of it needs.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) object_id: i32,
    /// In the order of the rows handed to the log.
    pub(crate) columns: Vec<LayoutColumn>,
    /// Positions in `columns` of the primary key and of each unique index: an update that changes one of them is a
    /// delete and an insert.
    pub(crate) unique_keys: Vec<Vec<usize>>,
}

#[derive(Debug, Clone)]
pub(crate) struct LayoutColumn {
    /// `sys.columns.column_id`: never used again after a drop.
    pub(crate) column_id: i32,
    pub(crate) name: String,
    pub(crate) r#type: Type,
    /// A computed column is not in the log: its captured value is NULL.
    pub(crate) computed: bool,
}

/// A changed row; values in the order of [`Layout::columns`].
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Insert { after: Vec<Datum> },
    Delete { before: Vec<Datum> },
    Update { before: Vec<Datum>, after: Vec<Datum> },
}

/// Where in a transaction a change happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPoint<'a> {
    /// The session's connection, with the write to `db<ID>` already begun: who logs first commits first.
    pub(crate) connection: &'a Connection,
    /// `database_id`
    pub(crate) database: i32,
    /// The transaction, one that no other has while the server runs.
    pub(crate) transaction: u64,
    /// The statement in the transaction. Parts of one statement have the same.
    pub(crate) command: u32,
}

/// A connection to one database of the engine with every right, within the transaction that is open on it.
/// Statements are T-SQL; names without a database are of this database. What runs here is not traced and not subject to
/// faults or to row limits; it may write to schema `cdc` and to what is marked as shipped.
pub(crate) trait System {
    /// The database's name as `sys.databases` has it.
    fn database(&self) -> &str;
    fn database_id(&self) -> i32;
    /// With the database attached as `db<ID>`; the log is a table there.
    fn connection(&self) -> &Connection;
    /// Under which name the file with the tables of schema `cdc` is attached.
    fn cdc_file(&self) -> String;
    /// The table's name in SQLite, quoted, with its file's; 208 if there is no such table.
    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError>;
    /// Runs a batch with the named parameters (`@name`) and gives the rows of its last result set.
    fn run(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError>;
    /// The layout of the table with this `object_id`; 208 if there is none.
    fn layout(&mut self, object_id: i32) -> Result<Arc<Layout>, SqlError>;
    /// Whether DML of the table is passed to [`super::ChangeData::statement`]: `sys.tables.is_tracked_by_cdc`.
    fn set_tracked(&mut self, object_id: i32, tracked: bool) -> Result<(), SqlError>;
    /// `sys.databases.is_cdc_enabled`
    fn set_cdc_enabled(&mut self, enabled: bool) -> Result<(), SqlError>;
}

/// Opens connections for the capture agent, the cleanup and the demo. One connection belongs to one thread.
pub(crate) trait Engines: Send + Sync {
    fn system(&self, database: &str) -> Result<Box<dyn System>, SqlError>;
}

/// A DDL statement on something that may be captured; passed to CDC before it is carried out and after.
#[derive(Debug, Clone)]
pub(crate) enum Ddl<'a> {
    DropTable {
        object_id: i32,
    },
    TruncateTable {
        object_id: i32,
    },
    /// `ALTER TABLE`: the text of the statement goes into `cdc.ddl_history`.
    AddColumn {
        object_id: i32,
        text: &'a str,
    },
    DropColumn {
        object_id: i32,
        text: &'a str,
    },
    /// The column with its new type.
    AlterColumn {
        object_id: i32,
        column: &'a str,
        r#type: &'a Type,
        text: &'a str,
    },
    /// `sp_rename` of the table (`column` is None) or of a column.
    Rename {
        object_id: i32,
        column: Option<&'a str>,
    },
    DropIndex {
        object_id: i32,
        index: &'a str,
    },
    DropPrimaryKey {
        object_id: i32,
    },
}

/// A scalar function of a schema (`sys.fn_cdc_...`); evaluated in the database that its name or the session gives.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<(&'static str, Type)>,
    pub(crate) returns: Type,
    pub(crate) body: FunctionBody,
}

#[derive(Debug, Clone)]
pub(crate) enum FunctionBody {
    /// A T-SQL expression over the parameters (`@lsn`), with unqualified names of the function's database.
    Expression(&'static str),
    /// Pure: same arguments, same answer.
    Native(fn(&[Datum]) -> Result<Datum, SqlError>),
}

/// An inline table-valued function: a SELECT over its parameters, expanded where it is named.
/// `check` runs before the first row, with the arguments; its error is the statement's.
pub(crate) struct TableFunction {
    pub(crate) parameters: Vec<(String, Type)>,
    pub(crate) select: String,
    pub(crate) check: Arc<TableCheck>,
    /// Only for who may read this table of the same database: else error 229.
    pub(crate) source: i32,
    /// And only for members of this database role, of db_owner and of sysadmin: else the same error.
    pub(crate) role: Option<String>,
}

pub(crate) type TableCheck = dyn Fn(&mut dyn System, &[Datum]) -> Result<(), SqlError> + Send + Sync;

impl std::fmt::Debug for TableFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableFunction").field("select", &self.select).finish_non_exhaustive()
    }
}

/// What a system procedure sees of the session that calls it.
pub(crate) trait ProcedureContext: System {
    fn is_sysadmin(&self) -> bool;
    /// db_owner of this database (sysadmin is one).
    fn is_db_owner(&self) -> bool;
    fn is_member(&self, role: &str) -> bool;
    /// Adds to the answer of the client: rows, INFO messages, ...
    fn answer(&mut self) -> &mut dyn Answer;
}

/// A system procedure, called by RPC or EXEC; in `sys` of every database. The parameters are in the order given; an
/// unnamed one has the name of its position. The i32 is the return status.
pub(crate) struct Procedure {
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    /// Names (with `@`) and types, in order: positional arguments get their names from here.
    pub(crate) parameters: Vec<(&'static str, Type)>,
    pub(crate) call: Arc<ProcedureCall>,
}

pub(crate) type ProcedureCall =
    dyn Fn(&mut dyn ProcedureContext, &mut [Parameter]) -> Result<i32, SqlError> + Send + Sync;

impl std::fmt::Debug for Procedure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Procedure").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A view over the server's state (`sys.dm_cdc_...`, `msdb.dbo.cdc_jobs`): computed when it is read, for the database it
/// is read in.
pub(crate) struct View {
    /// Only in this database (`msdb`); none: in every one.
    pub(crate) database: Option<&'static str>,
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
    /// What clients take for a table has an id, below zero, and is for who has a right to it; none: open to everybody.
    pub(crate) table: Option<i32>,
    pub(crate) rows: Arc<ViewRows>,
}

/// From the name of the database; none when there is no such view at the moment: 208.
pub(crate) type ViewRows = dyn Fn(&str) -> Result<Option<Vec<Vec<Datum>>>, SqlError> + Send + Sync;

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("name", &self.name).finish_non_exhaustive()
    }
}
