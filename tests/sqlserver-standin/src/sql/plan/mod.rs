//! From a parsed statement to one that SQLite runs: names are resolved, every expression gets its T-SQL type, and what
//! SQLite would do differently becomes a call of a function of ours.

mod aggregate;
mod bound;
mod call;
mod compare;
mod expr;
mod first_rows;
mod from;
mod query;
mod recursion;
mod scope;
mod sites;
mod window;

pub(crate) use self::bound::Bound;
pub(crate) use self::query::Place;
pub(crate) use self::scope::{Scope, ScopeColumn, ScopeTable};
pub(crate) use self::sites::{Body, Held, Site, Sites};

use rusqlite::types::Value;

use crate::data::{Collation, Column, Datum, SqlError, Type};
use crate::sql::exec::{Core, Frame, InDatabase};
use crate::sql::parse::ast::Query;
use crate::sql::value::encode::to_sqlite;

/// A query ready for SQLite. Its places live as long as it does.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Value>,
    pub(crate) columns: Vec<Column>,
    /// Ordinals, from 1, of the columns that the rows are sorted by.
    pub(crate) order: Vec<u16>,
    /// Tables that it reads, for locks and rights.
    pub(crate) reads: Vec<Read>,
    _held: Held,
}

/// A table that a statement reads.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) database: i32,
    pub(crate) object_id: i32,
    pub(crate) hints: Vec<crate::sql::parse::ast::Hint>,
}

/// Resolves and types the parts of one statement.
pub(crate) struct Binder<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) frame: &'a Frame,
    /// Where names without a database are looked up.
    pub(crate) database: InDatabase,
    pub(crate) parameters: Vec<Value>,
    pub(crate) held: Held,
    pub(crate) reads: Vec<Read>,
    /// The tables in sight: the last scope is the innermost query's.
    pub(crate) scopes: Vec<Scope>,
    /// What the parameters of a function stand for while its body is bound.
    substitutions: Vec<Vec<(String, Bound)>>,
    ctes: Vec<CteScope>,
    /// The common table expressions whose recursive members are being bound.
    recursions: Vec<recursion::Recursion>,
    max_recursion: i32,
    next_alias: usize,
    /// Views and functions in one another.
    depth: usize,
}

/// A common table expression in sight, with where its own names are looked up.
#[derive(Clone)]
struct CteScope {
    name: String,
    columns: Vec<String>,
    query: std::sync::Arc<Query>,
    /// How many of the list were in sight where it was defined.
    sees: usize,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(core: &'a mut Core, frame: &'a Frame) -> Self {
        let database = core.current();
        let held = Held::new(core.sites());
        Self {
            core,
            frame,
            database,
            parameters: Vec::new(),
            held,
            reads: Vec::new(),
            scopes: Vec::new(),
            substitutions: Vec::new(),
            ctes: Vec::new(),
            recursions: Vec::new(),
            max_recursion: recursion::LIMIT,
            next_alias: 0,
            depth: 0,
        }
    }

    /// A complete query.
    pub(crate) fn plan_query(mut self, query: &Query) -> Result<Plan, SqlError> {
        self.max_recursion = query.max_recursion.unwrap_or(recursion::LIMIT);
        let bound = self.query(query, query::Place::Top)?;
        let columns = bound.columns.iter().map(query::OutputColumn::column).collect();
        Ok(self.into_plan(bound.sql, columns, bound.order))
    }

    /// What was bound, as a plan.
    pub(crate) fn into_plan(self, sql: String, columns: Vec<Column>, order: Vec<u16>) -> Plan {
        Plan { sql, parameters: self.parameters, columns, order, reads: self.reads, _held: self.held }
    }

    /// The number of a parameter with this value.
    pub(crate) fn parameter(&mut self, value: &Datum) -> String {
        self.parameters.push(to_sqlite(value));
        format!("?{}", self.parameters.len())
    }

    /// A call of a function of ours on SQLite's values.
    pub(crate) fn call_site(
        &mut self,
        arguments: &[(String, Type)],
        volatile: bool,
        body: std::sync::Arc<Body>,
    ) -> String {
        let kinds = arguments.iter().map(|(_, kind)| kind.clone()).collect();
        let at = self.held.function(Site { arguments: kinds, body });
        let mut sql = format!("{}({at}", if volatile { "fv" } else { "f" });
        for (argument, _) in arguments {
            sql.push_str(", ");
            sql.push_str(argument);
        }
        sql.push(')');
        sql
    }

    pub(crate) fn alias(&mut self) -> String {
        self.next_alias += 1;
        format!("t{}", self.next_alias)
    }

    pub(crate) fn collation(&self) -> Collation {
        self.database.collation
    }
}
