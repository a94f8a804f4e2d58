//! What a batch says, after parsing and before names and types are known.

mod change;
mod define;
mod query;

pub(crate) use self::change::{
    Assignment, Delete, Insert, InsertSource, Merge, MergeAction, MergeThen, MergeWhen, Output, Target, Update,
};
pub(crate) use self::define::{
    AlterTable, ColumnDefinition, ColumnKind, Constraint, ConstraintKind, CreateIndex, CreateTable, DatabaseOption,
    DropKind, GrantKind, Securable,
};
pub(crate) use self::query::{
    Bound, Cte, Frame, Hint, JoinKind, OrderItem, Query, QueryBody, Select, SelectItem, SetOp, TableRef, Top, Window,
};

/// A type as written: `decimal(10, 2)`, `nvarchar(max)`, `sys.sysname`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypeName {
    pub(crate) name: String,
    pub(crate) arguments: Vec<TypeArgument>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TypeArgument {
    Number(u32),
    Max,
}

/// A name of one to four parts, the last being the object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName {
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) object: String,
}

impl ObjectName {
    pub(crate) fn bare(object: impl Into<String>) -> Self {
        Self { database: None, schema: None, object: object.into() }
    }

    /// As it is written in an error's text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(database) = &self.database {
            text.push_str(database);
            text.push('.');
        }
        if self.database.is_some() || self.schema.is_some() {
            text.push_str(self.schema.as_deref().unwrap_or_default());
            text.push('.');
        }
        text + &self.object
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Integer(String),
    Decimal(String),
    Float(String),
    Money(String),
    Text { value: String, national: bool },
    Binary(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    BitAnd,
    BitOr,
    BitXor,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Plus,
    Minus,
    BitNot,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    /// One to four parts.
    Column(Vec<String>),
    /// With its `@`.
    Variable(String),
    Unary(UnaryOp, Box<Expr>),
    Binary(Box<Expr>, BinaryOp, Box<Expr>),
    Not(Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    Exists(Box<Query>),
    Subquery(Box<Query>),
    Quantified {
        expr: Box<Expr>,
        op: BinaryOp,
        all: bool,
        query: Box<Query>,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        expr: Box<Expr>,
        to: TypeName,
        style: Option<Box<Expr>>,
        attempt: bool,
    },
    Parse {
        expr: Box<Expr>,
        to: TypeName,
        culture: Option<Box<Expr>>,
        attempt: bool,
    },
    Call(Box<Call>),
    Collate(Box<Expr>, String),
    AtTimeZone(Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: ObjectName,
    pub(crate) arguments: Vec<Expr>,
    /// `COUNT(*)`.
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    /// `STRING_AGG(..) WITHIN GROUP (ORDER BY ..)`.
    pub(crate) within_group: Vec<OrderItem>,
    pub(crate) over: Option<Window>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Execute {
    /// `EXEC @status = name ..`.
    pub(crate) status: Option<String>,
    pub(crate) what: Executed,
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Executed {
    Procedure(ObjectName),
    /// `EXEC @name ..`.
    Variable(String),
    /// `EXEC ('text' + @more)`.
    Text(Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: Option<String>,
    /// `None` is `DEFAULT`.
    pub(crate) value: Option<Expr>,
    pub(crate) output: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Snapshot,
    Serializable,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SetStatement {
    Variable {
        name: String,
        op: Option<BinaryOp>,
        value: Expr,
    },
    Options {
        names: Vec<String>,
        on: bool,
    },
    IdentityInsert {
        table: ObjectName,
        on: bool,
    },
    Isolation(Isolation),
    /// `SET LOCK_TIMEOUT 100`, `SET DATEFORMAT ymd`: a name and its value.
    Value {
        name: String,
        value: Expr,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Declared {
    Scalar { name: String, to: TypeName, value: Option<Expr> },
    Table { name: String, columns: Vec<ColumnDefinition>, constraints: Vec<Constraint> },
}

/// A statement and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) kind: StatementKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StatementKind {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Truncate(ObjectName),
    Declare(Vec<Declared>),
    Set(SetStatement),
    If {
        condition: Expr,
        then: Box<Statement>,
        otherwise: Option<Box<Statement>>,
    },
    While {
        condition: Expr,
        body: Box<Statement>,
    },
    Block(Vec<Statement>),
    TryCatch {
        attempt: Vec<Statement>,
        handler: Vec<Statement>,
    },
    Break,
    Continue,
    Return(Option<Expr>),
    Print(Expr),
    RaiseError {
        message: Expr,
        severity: Expr,
        state: Expr,
        arguments: Vec<Expr>,
    },
    /// `THROW` alone raises again what a `CATCH` holds.
    Throw(Option<Box<(Expr, Expr, Expr)>>),
    WaitForDelay(Expr),
    Begin(Option<String>),
    Commit,
    /// A name is a savepoint's or the transaction's.
    Rollback(Option<String>),
    Save(String),
    Use(String),
    Execute(Box<Execute>),
    CreateTable(Box<CreateTable>),
    AlterTable {
        table: ObjectName,
        change: Box<AlterTable>,
        text: String,
    },
    CreateIndex(Box<CreateIndex>),
    DropIndex {
        name: String,
        table: ObjectName,
        if_exists: bool,
    },
    CreateView {
        name: ObjectName,
        columns: Vec<String>,
        query: Box<Query>,
        text: String,
        replace: bool,
    },
    /// `CREATE TYPE .. FROM ..`: another name of a type.
    CreateType {
        name: ObjectName,
        base: TypeName,
        nullable: bool,
    },
    CreateSchema {
        name: String,
        owner: Option<String>,
    },
    CreateDatabase {
        name: String,
        collation: Option<String>,
    },
    AlterDatabase {
        name: Option<String>,
        options: Vec<DatabaseOption>,
    },
    CreateLogin {
        name: String,
        password: Option<String>,
        database: Option<String>,
    },
    AlterLogin {
        name: String,
        password: Option<String>,
        enabled: Option<bool>,
    },
    CreateUser {
        name: String,
        login: Option<String>,
        schema: Option<String>,
    },
    CreateRole {
        name: String,
    },
    /// `ALTER [SERVER] ROLE r ADD|DROP MEMBER m`.
    AlterRole {
        server: bool,
        role: String,
        member: String,
        add: bool,
    },
    Permission {
        kind: GrantKind,
        permissions: Vec<String>,
        on: Securable,
        to: Vec<String>,
    },
    Drop {
        kind: DropKind,
        names: Vec<ObjectName>,
        if_exists: bool,
    },
    Kill(Expr),
    Checkpoint,
}
