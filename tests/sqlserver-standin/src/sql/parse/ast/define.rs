//! Definitions of tables, indexes and databases.

use super::{Expr, ObjectName, TypeName};

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
pub(crate) enum DropKind {
    Table,
    View,
    Type,
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
