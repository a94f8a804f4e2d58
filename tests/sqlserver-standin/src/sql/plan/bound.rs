//! An expression with its type.

use crate::data::{Datum, Type};

/// An expression as SQLite computes it, and what T-SQL knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) sql: String,
    pub(crate) r#type: Type,
    pub(crate) nullable: bool,
    /// The literal `NULL`: it takes the type of the other operand.
    pub(crate) null: bool,
    /// True or false, which T-SQL does not let stand as a value.
    pub(crate) condition: bool,
    /// A value that is known before the statement runs.
    pub(crate) constant: Option<Datum>,
    /// A column of a table: its name.
    pub(crate) column: Option<ColumnFacts>,
}

/// What a result's column says of the table's column that it shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnFacts {
    pub(crate) name: String,
    pub(crate) identity: bool,
    pub(crate) computed: bool,
    pub(crate) updatable: bool,
    /// Database, schema and table of a large value of old.
    pub(crate) table: Vec<String>,
}

impl Bound {
    pub(crate) fn new(sql: impl Into<String>, r#type: Type, nullable: bool) -> Self {
        Self { sql: sql.into(), r#type, nullable, null: false, condition: false, constant: None, column: None }
    }

    pub(crate) fn condition(sql: impl Into<String>) -> Self {
        Self { condition: true, ..Self::new(sql, Type::Bit, true) }
    }

    /// A value in parentheses, which binds as one.
    pub(crate) fn grouped(sql: &str, r#type: Type, nullable: bool) -> Self {
        Self::new(format!("({sql})"), r#type, nullable)
    }
}
