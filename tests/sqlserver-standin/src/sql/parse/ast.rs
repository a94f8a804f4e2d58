//! What a batch says, after parsing and before names and types are known.

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

    /// As it stands in an error's text.
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
pub(crate) struct Window {
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<OrderItem>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) rows: bool,
    pub(crate) start: Bound,
    pub(crate) end: Option<Bound>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    UnboundedPreceding,
    Preceding(u64),
    CurrentRow,
    Following(u64),
    UnboundedFollowing,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) with: Vec<Cte>,
    pub(crate) body: QueryBody,
    pub(crate) order: Vec<OrderItem>,
    pub(crate) offset: Option<Expr>,
    pub(crate) fetch: Option<Expr>,
    /// `OPTION (MAXRECURSION n)`; 0 is without a limit.
    pub(crate) max_recursion: Option<i32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cte {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum QueryBody {
    Select(Box<Select>),
    /// `UNION [ALL]`, `EXCEPT`, `INTERSECT`.
    Set {
        left: Box<QueryBody>,
        op: SetOp,
        right: Box<QueryBody>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOp {
    Union,
    UnionAll,
    Except,
    Intersect,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) top: Option<Top>,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) into: Option<ObjectName>,
    pub(crate) from: Vec<TableRef>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group: Vec<Expr>,
    pub(crate) having: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Top {
    pub(crate) count: Expr,
    pub(crate) percent: bool,
    pub(crate) ties: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SelectItem {
    Star,
    /// `t.*`.
    QualifiedStar(Vec<String>),
    Expr {
        expr: Expr,
        alias: Option<String>,
    },
    /// `@v = expr`.
    Assign {
        variable: String,
        op: Option<BinaryOp>,
        expr: Expr,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableRef {
    Named {
        name: ObjectName,
        alias: Option<String>,
        hints: Vec<Hint>,
    },
    Variable {
        name: String,
        alias: Option<String>,
    },
    Function {
        name: ObjectName,
        arguments: Vec<Expr>,
        alias: Option<String>,
        columns: Vec<String>,
    },
    Derived {
        query: Box<Query>,
        alias: String,
        columns: Vec<String>,
    },
    Values {
        rows: Vec<Vec<Expr>>,
        alias: String,
        columns: Vec<String>,
    },
    Join {
        left: Box<TableRef>,
        right: Box<TableRef>,
        kind: JoinKind,
        on: Option<Expr>,
    },
    /// `CROSS APPLY` and `OUTER APPLY`.
    Apply {
        left: Box<TableRef>,
        right: Box<TableRef>,
        outer: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

/// A table hint that changes what a statement does; the others are checked and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    TabLockX,
    TabLock,
    NoLock,
    XLock,
    UpdLock,
    HoldLock,
    NoWait,
    ReadPast,
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) top: Option<Top>,
    pub(crate) target: Target,
    pub(crate) columns: Vec<String>,
    pub(crate) output: Option<Output>,
    pub(crate) source: InsertSource,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InsertSource {
    /// `None` is `DEFAULT`.
    Values(Vec<Vec<Option<Expr>>>),
    Query(Box<Query>),
    Execute(Box<Execute>),
    Defaults,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Named { name: ObjectName, hints: Vec<Hint> },
    Variable(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) items: Vec<SelectItem>,
    pub(crate) into: Option<(Target, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    pub(crate) with: Vec<Cte>,
    pub(crate) top: Option<Top>,
    pub(crate) target: Target,
    pub(crate) sets: Vec<Assignment>,
    pub(crate) output: Option<Output>,
    pub(crate) from: Vec<TableRef>,
    pub(crate) filter: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment {
    /// `@v = column = expr`, or `@v = expr` without a column.
    pub(crate) variable: Option<String>,
    pub(crate) column: Option<String>,
    pub(crate) op: Option<BinaryOp>,
    /// `None` is `DEFAULT`.
    pub(crate) value: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delete {
    pub(crate) with: Vec<Cte>,
    pub(crate) top: Option<Top>,
    pub(crate) target: Target,
    pub(crate) output: Option<Output>,
    pub(crate) from: Vec<TableRef>,
    pub(crate) filter: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Merge {
    pub(crate) target: Target,
    pub(crate) alias: Option<String>,
    pub(crate) source: TableRef,
    pub(crate) on: Expr,
    pub(crate) actions: Vec<MergeAction>,
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MergeAction {
    pub(crate) when: MergeWhen,
    pub(crate) condition: Option<Expr>,
    pub(crate) then: MergeThen,
}

/// Which rows an action of `MERGE` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeWhen {
    Matched,
    NotMatchedByTarget,
    NotMatchedBySource,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MergeThen {
    Update(Vec<Assignment>),
    Delete,
    /// A value of `None` is `DEFAULT`; no values are `DEFAULT VALUES`.
    Insert {
        columns: Vec<String>,
        values: Option<Vec<Option<Expr>>>,
    },
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

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    pub(crate) collation: Option<String>,
    pub(crate) nullable: Option<bool>,
    pub(crate) identity: Option<(String, String)>,
    pub(crate) default: Option<(Option<String>, Expr)>,
    pub(crate) rowguidcol: bool,
    /// Keys, unique constraints and checks written at the column.
    pub(crate) constraints: Vec<Constraint>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnKind {
    Typed(TypeName),
    Computed { expr: Expr, persisted: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constraint {
    pub(crate) name: Option<String>,
    pub(crate) kind: ConstraintKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConstraintKind {
    Key { primary: bool, clustered: Option<bool>, columns: Vec<(String, bool)> },
    Check(Expr),
    ForeignKey { columns: Vec<String>, table: ObjectName, referenced: Vec<String>, cascade: bool },
    Default { column: String, expr: Expr },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectName,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) indexes: Vec<CreateIndex>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateIndex {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) clustered: bool,
    pub(crate) table: ObjectName,
    /// Name and whether it is descending.
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) included: Vec<String>,
    pub(crate) filter: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AlterTable {
    AddColumns {
        columns: Vec<ColumnDefinition>,
        constraints: Vec<Constraint>,
    },
    AlterColumn {
        name: String,
        to: TypeName,
        nullable: Option<bool>,
        collation: Option<String>,
    },
    DropColumns {
        names: Vec<String>,
        if_exists: bool,
    },
    DropConstraints {
        names: Vec<String>,
        if_exists: bool,
    },
    /// `[NO]CHECK CONSTRAINT`, `ENABLE TRIGGER`, `SET (LOCK_ESCALATION = ..)`, `REBUILD`: nothing to do here.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Snapshot,
    Serializable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropKind {
    Table,
    View,
    Schema,
    Database,
    User,
    Login,
    Role,
    Procedure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantKind {
    Grant,
    Deny,
    Revoke,
}

/// What a permission is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Securable {
    Object(ObjectName, Vec<String>),
    Schema(String),
    Database,
    Server,
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
pub(crate) enum DatabaseOption {
    SnapshotIsolation(bool),
    ReadCommittedSnapshot(bool),
    ReadOnly(bool),
    Collate(String),
    /// `COMPATIBILITY_LEVEL = 150`.
    Compatibility(u32),
    /// `RECOVERY SIMPLE`: `FULL`, `SIMPLE`, `BULK_LOGGED`.
    Recovery(String),
    ModifyName(String),
    /// An option that is known and changes nothing here.
    Nothing,
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
