//! Queries: rows to the client, to variables, or to a new table.

use std::time::Duration;

use super::core::{Core, InDatabase, bind};
use super::frame::Frame;
use crate::data::{Datum, SqlError};
use crate::locks::{Mode, Resource, Scope};
use crate::session::{Answer, Command, Flow, Isolation};
use crate::sql::errors;
use crate::sql::parse::ast::{ColumnDefinition, Hint, Query, QueryBody, SelectItem};
use crate::sql::plan::{Binder, Plan, Read};
use crate::sql::value::encode::from_sqlite;

impl Core {
    /// Answers a query. `Flow::Stop`: the client wants no more.
    pub(super) fn run_query(
        &mut self,
        query: &Query,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Flow, SqlError> {
        if let QueryBody::Select(select) = &query.body {
            if select.items.iter().any(|item| matches!(item, SelectItem::Assign { .. })) {
                return self.assign_query(query, frame, answer);
            }
            if let Some(into) = &select.into {
                let rows = self.select_into(query, into, frame)?;
                self.rows = i64::try_from(rows).unwrap_or(i64::MAX);
                answer.done(self.counted(rows), Command::Select);
                return Ok(Flow::Continue);
            }
        }
        let plan = Binder::new(self, frame).plan_query(query)?;
        if !plan.reads.is_empty() {
            self.begin_implicitly(answer);
        }
        self.prepare_reads(&plan.reads)?;
        if answer.columns(&plan.columns) == Flow::Stop {
            return Ok(Flow::Stop);
        }
        if !plan.order.is_empty() {
            answer.order(&plan.order);
        }
        if self.options.fmt_only {
            answer.done(Some(0), Command::Select);
            return Ok(Flow::Continue);
        }
        let mut rows = 0;
        let flow = self.stream(&plan, |row| {
            rows += 1;
            Ok(answer.row(&row))
        })?;
        self.rows = i64::try_from(rows).unwrap_or(i64::MAX);
        if flow == Flow::Continue {
            answer.done(self.counted(rows), Command::Select);
        }
        Ok(flow)
    }

    /// The count that goes out: none with `SET NOCOUNT ON`.
    pub(super) fn counted(&self, rows: u64) -> Option<u64> {
        (!self.options.no_count).then_some(rows)
    }

    /// Locks what is read, as the isolation level and the hints say.
    pub(super) fn prepare_reads(&mut self, reads: &[Read]) -> Result<(), SqlError> {
        for read in reads {
            let Some(record) = self.server.database_by_id(read.database) else { continue };
            let database = InDatabase::of(&record);
            self.begin_reading(&database)?;
            self.lock_read(&database, read)?;
        }
        Ok(())
    }

    fn lock_read(&mut self, database: &InDatabase, read: &Read) -> Result<(), SqlError> {
        let has = |hint: Hint| read.hints.contains(&hint);
        let kept = has(Hint::HoldLock)
            || matches!(self.options.isolation, Isolation::RepeatableRead | Isolation::Serializable);
        let (mode, scope) = if has(Hint::TabLockX) || has(Hint::TabLock) && has(Hint::XLock) {
            (Mode::Exclusive, Scope::Transaction)
        } else if has(Hint::TabLock) {
            (Mode::Shared, if kept { Scope::Transaction } else { Scope::Statement })
        } else if has(Hint::NoLock)
            || matches!(self.options.isolation, Isolation::ReadUncommitted | Isolation::Snapshot)
        {
            return Ok(());
        } else if has(Hint::XLock) || has(Hint::UpdLock) {
            (Mode::IntentExclusive, Scope::Transaction)
        } else {
            (Mode::IntentShared, if kept { Scope::Transaction } else { Scope::Statement })
        };
        self.lock(database, read.object_id, mode, scope, has(Hint::NoWait))
    }

    pub(super) fn lock(
        &mut self,
        database: &InDatabase,
        object_id: i32,
        mode: Mode,
        scope: Scope,
        no_wait: bool,
    ) -> Result<(), SqlError> {
        if self.internal {
            return Ok(());
        }
        let scope = if self.transaction.is_none() { Scope::Statement } else { scope };
        let resource = Resource { database: database.name.as_str().into(), object_id };
        let timeout = if no_wait {
            Some(Duration::ZERO)
        } else {
            u64::try_from(self.options.lock_timeout).ok().map(Duration::from_millis)
        };
        match self.server.locks.acquire(self.login.spid, &resource, mode, scope, timeout, &self.login.cancel)? {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(errors::killed()),
        }
    }

    /// Each row of a plan, until the taker has had enough.
    pub(super) fn stream(
        &self,
        plan: &Plan,
        mut take: impl FnMut(Vec<Datum>) -> Result<Flow, SqlError>,
    ) -> Result<Flow, SqlError> {
        let mut statement = self.connection.prepare_cached(&plan.sql).map_err(|error| {
            tracing::debug!(sql = plan.sql, %error, "a compiled statement was refused");
            self.failure(error)
        })?;
        bind(&mut statement, &plan.parameters).map_err(|error| self.failure(error))?;
        let mut rows = statement.raw_query();
        loop {
            let Some(row) = rows.next().map_err(|error| self.failure(error))? else { return Ok(Flow::Continue) };
            let mut values = Vec::with_capacity(plan.columns.len());
            for (at, column) in plan.columns.iter().enumerate() {
                values.push(from_sqlite(row.get_ref(at).map_err(|error| self.failure(error))?, &column.r#type));
            }
            if take(values)? == Flow::Stop || self.login.cancel.is_set() {
                return Ok(Flow::Stop);
            }
        }
    }

    /// All rows of a query, for statements that take them as their source.
    pub(super) fn collect(&mut self, plan: &Plan) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.prepare_reads(&plan.reads)?;
        let mut rows = Vec::new();
        let flow = self.stream(plan, |row| {
            rows.push(row);
            Ok(Flow::Continue)
        })?;
        // A part of the rows is not what was asked for.
        if flow == Flow::Stop { Err(errors::killed()) } else { Ok(rows) }
    }

    /// `SELECT @a = x, @b = y FROM ..`: the last row's values stay.
    fn assign_query(&mut self, query: &Query, frame: &mut Frame, answer: &mut dyn Answer) -> Result<Flow, SqlError> {
        let QueryBody::Select(select) = &query.body else { return Ok(Flow::Continue) };
        let plan = Binder::new(self, frame).plan_query(query)?;
        let rows = self.collect(&plan)?;
        if let Some(last) = rows.last() {
            for (item, value) in select.items.iter().zip(last) {
                if let SelectItem::Assign { variable, .. } = item
                    && let Some(variable) = frame.variable_mut(variable)
                {
                    variable.value = value.clone();
                }
            }
        }
        self.rows = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if !select.from.is_empty() {
            answer.done(None, Command::Select);
        }
        Ok(Flow::Continue)
    }

    fn select_into(
        &mut self,
        query: &Query,
        into: &crate::sql::parse::ast::ObjectName,
        frame: &mut Frame,
    ) -> Result<u64, SqlError> {
        let plan = Binder::new(self, frame).plan_query(query)?;
        let columns: Vec<ColumnDefinition> = super::ddl::definitions_of(&plan.columns)?;
        let rows = self.collect(&plan)?;
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.create_table_from(into, columns)?;
        self.insert_rows_into(into, rows, &plan.columns)?;
        Ok(count)
    }

    /// A condition's value; null is false.
    pub(super) fn is_true(&mut self, expr: &crate::sql::parse::ast::Expr, frame: &Frame) -> Result<bool, SqlError> {
        let mut binder = Binder::new(self, frame);
        let sql = binder.condition(expr)?;
        let plan = binder.into_plan(
            format!("SELECT {sql}"),
            vec![crate::data::Column::new("", crate::data::Type::Bit)],
            Vec::new(),
        );
        let rows = self.collect(&plan)?;
        Ok(rows.first().and_then(|row| row.first()) == Some(&Datum::Bit(true)))
    }

    /// An expression's value in its own type.
    pub(super) fn value_of(
        &mut self,
        expr: &crate::sql::parse::ast::Expr,
        frame: &Frame,
    ) -> Result<(Datum, crate::data::Type), SqlError> {
        let mut binder = Binder::new(self, frame);
        let bound = binder.value(expr)?;
        let kind = bound.r#type.clone();
        if let Some(constant) = bound.constant {
            return Ok((constant, kind));
        }
        let plan = binder.into_plan(
            format!("SELECT {}", bound.sql),
            vec![crate::data::Column::new("", kind.clone())],
            Vec::new(),
        );
        let rows = self.collect(&plan)?;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next());
        Ok((value.unwrap_or(Datum::Null), kind))
    }

    /// An expression's value in another type.
    pub(super) fn value_as(
        &mut self,
        expr: &crate::sql::parse::ast::Expr,
        frame: &Frame,
        to: &crate::data::Type,
    ) -> Result<Datum, SqlError> {
        let (value, from) = self.value_of(expr, frame)?;
        let settings = crate::sql::value::convert::Settings { style: None, order: self.date_order() };
        crate::sql::value::convert::convert(&value, &from, to, settings)
    }
}
