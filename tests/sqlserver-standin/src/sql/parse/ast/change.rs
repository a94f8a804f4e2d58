//! Statements that change rows.

use super::{BinaryOp, Cte, Execute, Expr, Hint, ObjectName, Query, SelectItem, TableRef, Top};

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
