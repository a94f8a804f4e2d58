//! Where a statement calls T-SQL functions: SQLite calls one function of its own with the number of the place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::functions::{Aggregate, Context, FunctionFlags, WindowAggregate};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use crate::data::{Datum, SqlError, Type};
use crate::sql::errors;
use crate::sql::value::collate;
use crate::sql::value::encode::{from_sqlite, to_sqlite};

/// What a place does with its arguments.
pub(crate) type Body = dyn Fn(&[Datum]) -> std::result::Result<Datum, SqlError> + Send + Sync;

/// A place in a statement that calls a function.
pub(crate) struct Site {
    pub(crate) arguments: Vec<Type>,
    pub(crate) body: Arc<Body>,
}

/// What is added up in an aggregate, row by row. `None` has had no row but nulls.
pub(crate) type Fold = dyn Fn(Option<Datum>, &Datum) -> std::result::Result<Option<Datum>, SqlError> + Send + Sync;
pub(crate) type Finish = dyn Fn(Option<Datum>, u64) -> std::result::Result<Datum, SqlError> + Send + Sync;

/// A place in a statement that calls an aggregate.
pub(crate) struct AggregateSite {
    pub(crate) argument: Type,
    pub(crate) fold: Arc<Fold>,
    pub(crate) finish: Arc<Finish>,
}

// A fold that panicked has left nothing behind: its state goes with the statement.
impl std::panic::RefUnwindSafe for AggregateSite {}

#[derive(Default)]
struct State {
    sites: Vec<Option<Arc<Site>>>,
    aggregates: Vec<Option<Arc<AggregateSite>>>,
    /// The error of a function: SQLite only carries texts.
    failure: Option<SqlError>,
}

/// The places of a session's statements. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Sites(Arc<Mutex<State>>);

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sites").finish_non_exhaustive()
    }
}

/// The places of one statement: given back when it is done with.
#[derive(Debug)]
pub(crate) struct Held {
    sites: Sites,
    functions: Vec<usize>,
    aggregates: Vec<usize>,
}

impl Held {
    pub(crate) fn new(sites: &Sites) -> Self {
        Self { sites: sites.clone(), functions: Vec::new(), aggregates: Vec::new() }
    }

    pub(crate) fn function(&mut self, site: Site) -> usize {
        let at = place(&mut self.sites.state().sites, Arc::new(site));
        self.functions.push(at);
        at
    }

    pub(crate) fn aggregate(&mut self, site: AggregateSite) -> usize {
        let at = place(&mut self.sites.state().aggregates, Arc::new(site));
        self.aggregates.push(at);
        at
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.sites.state();
        for at in self.functions.drain(..) {
            state.sites[at] = None;
        }
        for at in self.aggregates.drain(..) {
            state.aggregates[at] = None;
        }
    }
}

/// The lowest free place: the same statement gets the same places again, and with them the same text for SQLite's cache.
fn place<T>(places: &mut Vec<Option<T>>, value: T) -> usize {
    match places.iter().position(Option::is_none) {
        Some(free) => {
            places[free] = Some(value);
            free
        }
        None => {
            places.push(Some(value));
            places.len() - 1
        }
    }
}

impl Sites {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that a function raised while SQLite ran, if that is what SQLite reports.
    pub(crate) fn take_failure(&self) -> Option<SqlError> {
        self.state().failure.take()
    }

    fn fail(&self, error: SqlError) -> Error {
        let text = error.message.clone();
        self.state().failure = Some(error);
        Error::UserFunctionError(text.into())
    }

    /// Registers what compiled statements call.
    pub(crate) fn register(&self, connection: &Connection) -> Result<()> {
        let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        let sites = self.clone();
        connection.create_scalar_function("f", -1, pure, move |context| sites.call(context))?;
        let sites = self.clone();
        connection.create_scalar_function("fv", -1, FunctionFlags::SQLITE_UTF8, move |context| sites.call(context))?;
        connection.create_aggregate_function("fa", 2, pure, Summing { sites: self.clone() })?;
        connection.create_window_function("fw", 2, pure, Folding { sites: self.clone() })?;
        connection.create_aggregate_function("single", 1, pure, Single { sites: self.clone() })?;
        for case in [
            crate::data::collation::Case::Insensitive,
            crate::data::collation::Case::Sensitive,
            crate::data::collation::Case::Binary,
        ] {
            let name = match case {
                crate::data::collation::Case::Insensitive => "mssql_ci",
                crate::data::collation::Case::Sensitive => "mssql_cs",
                crate::data::collation::Case::Binary => "mssql_bin",
            };
            connection.create_collation(name, move |left, right| collate::compare(left, right, case))?;
        }
        Ok(())
    }

    fn aggregate_at(&self, at: i64) -> Option<Arc<AggregateSite>> {
        usize::try_from(at).ok().and_then(|at| self.state().aggregates.get(at).cloned().flatten())
    }

    fn call(&self, context: &Context<'_>) -> Result<Value> {
        let at: i64 = context.get(0)?;
        let site = usize::try_from(at).ok().and_then(|at| self.state().sites.get(at).cloned().flatten());
        let Some(site) = site else {
            return Err(self.fail(errors::unsupported("(", "a function outside its statement")));
        };
        let arguments = site.arguments.iter().enumerate();
        let arguments: Vec<_> = arguments.map(|(at, kind)| from_sqlite(context.get_raw(at + 1), kind)).collect();
        match (site.body)(&arguments) {
            Ok(value) => Ok(to_sqlite(&value)),
            Err(error) => Err(self.fail(error)),
        }
    }
}

/// An aggregate over a group.
struct Summing {
    sites: Sites,
}

struct Sum {
    site: Option<Arc<AggregateSite>>,
    value: Option<Datum>,
    rows: u64,
}

impl Aggregate<Sum, Value> for Summing {
    fn init(&self, _: &mut Context<'_>) -> Result<Sum> {
        Ok(Sum { site: None, value: None, rows: 0 })
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> Result<()> {
        if sum.site.is_none() {
            sum.site = self.sites.aggregate_at(context.get(0)?);
        }
        let Some(site) = &sum.site else { return Ok(()) };
        let value = from_sqlite(context.get_raw(1), &site.argument);
        if value != Datum::Null {
            sum.rows += 1;
            sum.value = (site.fold)(sum.value.take(), &value).map_err(|error| self.sites.fail(error))?;
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> Result<Value> {
        let Some(Sum { site: Some(site), value, rows }) = sum else { return Ok(Value::Null) };
        (site.finish)(value, rows).map(|value| to_sqlite(&value)).map_err(|error| self.sites.fail(error))
    }
}

/// An aggregate over a window that moves: rows go out of it again.
struct Folding {
    sites: Sites,
}

/// The rows in the window.
struct Folded {
    site: Option<Arc<AggregateSite>>,
    rows: Vec<Datum>,
}

impl Aggregate<Folded, Value> for Folding {
    fn init(&self, _: &mut Context<'_>) -> Result<Folded> {
        Ok(Folded { site: None, rows: Vec::new() })
    }

    fn step(&self, context: &mut Context<'_>, folded: &mut Folded) -> Result<()> {
        if folded.site.is_none() {
            folded.site = self.sites.aggregate_at(context.get(0)?);
        }
        let Some(site) = &folded.site else { return Ok(()) };
        let value = from_sqlite(context.get_raw(1), &site.argument);
        if value != Datum::Null {
            folded.rows.push(value);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, folded: Option<Folded>) -> Result<Value> {
        folded.map_or(Ok(Value::Null), |folded| self.result(&folded))
    }
}

impl WindowAggregate<Folded, Value> for Folding {
    fn value(&self, folded: Option<&mut Folded>) -> Result<Value> {
        folded.map_or(Ok(Value::Null), |folded| self.result(folded))
    }

    fn inverse(&self, context: &mut Context<'_>, folded: &mut Folded) -> Result<()> {
        let Some(site) = &folded.site else { return Ok(()) };
        if from_sqlite(context.get_raw(1), &site.argument) != Datum::Null && !folded.rows.is_empty() {
            folded.rows.remove(0);
        }
        Ok(())
    }
}

impl Folding {
    fn result(&self, folded: &Folded) -> Result<Value> {
        let Some(site) = &folded.site else { return Ok(Value::Null) };
        let mut sum = None;
        for value in &folded.rows {
            sum = (site.fold)(sum, value).map_err(|error| self.sites.fail(error))?;
        }
        let count = u64::try_from(folded.rows.len()).unwrap_or(u64::MAX);
        (site.finish)(sum, count).map(|value| to_sqlite(&value)).map_err(|error| self.sites.fail(error))
    }
}

/// The value of a subquery that must not have two rows.
struct Single {
    sites: Sites,
}

impl Aggregate<Option<Value>, Value> for Single {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, found: &mut Option<Value>) -> Result<()> {
        if found.is_some() {
            return Err(self.sites.fail(errors::subquery_rows()));
        }
        *found = Some(match context.get_raw(0) {
            ValueRef::Null => Value::Null,
            other => Value::try_from(other).map_err(|error| Error::UserFunctionError(error.into()))?,
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, found: Option<Option<Value>>) -> Result<Value> {
        Ok(found.flatten().unwrap_or(Value::Null))
    }
}
