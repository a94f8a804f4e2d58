//! Batches: one statement after another, with conditions, loops, `TRY`, and what an error ends.

use std::time::{Duration, Instant};

use super::core::Core;
use super::frame::{Frame, Variable};
use super::raise::aborts_batch;
use crate::data::{Datum, SqlError, Type};
use crate::session::{Answer, Command, EnvChange, Flow, Isolation};
use crate::sql::parse::ast::{self, Declared, Expr, SetStatement, Statement, StatementKind};
use crate::sql::value::number::Number;
use crate::sql::{errors, parse, types};

/// The only language.
const LANGUAGE: &str = "us_english";

/// Where a batch goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Next,
    Break,
    Continue,
    Return(i32),
    /// Nothing more is done or said.
    Stop,
}

impl Core {
    /// Runs a text: parsed as a whole first.
    pub(super) fn run_text(&mut self, sql: &str, frame: &mut Frame, answer: &mut dyn Answer) -> Result<Step, SqlError> {
        let statements = match parse::batch(sql, self.options.quoted_identifier) {
            Ok(statements) => statements,
            Err(error) => {
                self.note_unsupported(&format!("{}: {}", error.message, sql.chars().take(200).collect::<String>()));
                return self.failed(SqlError::from(error), answer).map(|()| Step::Stop);
            }
        };
        if self.options.parse_only {
            return Ok(Step::Next);
        }
        let step = self.run_all(&statements, frame, answer);
        for (_, table) in std::mem::take(&mut frame.tables) {
            self.drop_table_variable(table);
        }
        step
    }

    /// Tells of an error, unless a `TRY` around is to catch it.
    fn failed(&mut self, error: SqlError, answer: &mut dyn Answer) -> Result<(), SqlError> {
        // A client that has cancelled gets nothing but the confirmation, from the wire module.
        if self.login.cancel.is_set() && !self.internal {
            return Ok(());
        }
        self.error = error.number;
        if self.trying > 0 {
            return Err(error);
        }
        answer.error(&error);
        answer.done(None, Command::Other);
        Ok(())
    }

    pub(super) fn run_all(
        &mut self,
        statements: &[Statement],
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        for statement in statements {
            if self.login.cancel.is_set() && !self.internal {
                return Ok(Step::Stop);
            }
            let step = match self.run_statement(statement, frame, answer) {
                Ok(step) => step,
                Err(error) => {
                    let aborts = aborts_batch(&error) || self.options.xact_abort;
                    let error = if error.procedure.is_empty() {
                        error.at(i32::try_from(statement.line).unwrap_or(0))
                    } else {
                        error
                    };
                    if error.message.contains(errors::UNSUPPORTED) {
                        self.note_unsupported(&error.message);
                    }
                    self.after_error(&error, answer);
                    self.failed(error, answer)?;
                    if aborts {
                        return Ok(Step::Stop);
                    }
                    Step::Next
                }
            };
            if step != Step::Next {
                return Ok(step);
            }
        }
        Ok(Step::Next)
    }

    /// An error that dooms or ends the transaction.
    fn after_error(&mut self, error: &SqlError, answer: &mut dyn Answer) {
        self.server.locks.release_statement(self.login.spid);
        let ends = matches!(error.number, 1205 | 3960) || self.options.xact_abort;
        let Some(transaction) = self.transaction.as_mut().filter(|_| ends) else { return };
        if self.trying > 0 && error.number != 1205 {
            transaction.uncommittable = true;
            return;
        }
        let id = transaction.id;
        self.undo();
        answer.env(&EnvChange::RolledBack(id));
    }

    fn run_statement(
        &mut self,
        statement: &Statement,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        let step = self.dispatch(statement, frame, answer);
        let control = matches!(
            statement.kind,
            StatementKind::If { .. }
                | StatementKind::While { .. }
                | StatementKind::Block(_)
                | StatementKind::TryCatch { .. }
                | StatementKind::Execute(_)
        );
        if !control {
            self.clear_materialised();
            if !self.internal {
                self.server.locks.release_statement(self.login.spid);
            }
        }
        if step.is_ok() && !control {
            self.error = 0;
        }
        step
    }

    fn dispatch(
        &mut self,
        statement: &Statement,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        match &statement.kind {
            StatementKind::Query(query) => {
                let flow = self.run_query(query, frame, answer)?;
                return Ok(if flow == Flow::Stop { Step::Stop } else { Step::Next });
            }
            StatementKind::Insert(insert) => self.insert(insert, frame, answer)?,
            StatementKind::Update(update) => self.update(update, frame, answer)?,
            StatementKind::Delete(delete) => self.delete(delete, frame, answer)?,
            StatementKind::Merge(merge) => self.merge(merge, frame, answer)?,
            StatementKind::Truncate(name) => self.truncate(name, answer)?,
            StatementKind::Declare(declared) => self.declare(declared, frame)?,
            StatementKind::Set(set) => self.set(set, frame, answer)?,
            StatementKind::If { condition, then, otherwise } => {
                let holds = self.is_true(condition, frame)?;
                self.clear_materialised();
                return match (holds, otherwise) {
                    (true, _) => self.run_all(std::slice::from_ref(then), frame, answer),
                    (false, Some(otherwise)) => self.run_all(std::slice::from_ref(otherwise), frame, answer),
                    (false, None) => Ok(Step::Next),
                };
            }
            StatementKind::While { condition, body } => return self.run_while(condition, body, frame, answer),
            StatementKind::Block(statements) => return self.run_all(statements, frame, answer),
            StatementKind::TryCatch { attempt, handler } => return self.try_catch(attempt, handler, frame, answer),
            StatementKind::Break => return Ok(Step::Break),
            StatementKind::Continue => return Ok(Step::Continue),
            StatementKind::Return(status) => {
                let status = match status {
                    Some(status) => self.value_as(status, frame, &Type::Int)?,
                    None => Datum::Int(0),
                };
                return Ok(Step::Return(if let Datum::Int(status) = status { status } else { 0 }));
            }
            StatementKind::Print(message) => {
                let text = self.text_of(message, frame)?;
                answer.info(&SqlError::new(0, 0, 1, text).at(i32::try_from(statement.line).unwrap_or(0)));
            }
            StatementKind::RaiseError { message, severity, state, arguments } => {
                return self.raise_error(message, severity, state, arguments, frame, answer);
            }
            StatementKind::Throw(thrown) => return Err(self.thrown(thrown.as_deref(), frame)?),
            StatementKind::WaitForDelay(delay) => self.wait(delay, frame)?,
            StatementKind::Begin(name) => {
                let name = self.given_name(name.as_deref(), frame);
                self.begin(&name, answer);
                answer.done(None, Command::Begin);
            }
            StatementKind::Commit => {
                self.commit(answer)?;
                answer.done(None, Command::Commit);
            }
            StatementKind::Rollback(name) => {
                let name = name.as_deref().map(|name| self.given_name(Some(name), frame));
                self.rollback(name.as_deref(), answer)?;
                answer.done(None, Command::Rollback);
            }
            StatementKind::Save(name) => {
                let name = self.given_name(Some(name), frame);
                self.save(&name)?;
                answer.done(None, Command::Other);
            }
            StatementKind::Use(name) => self.use_statement(name, answer)?,
            StatementKind::Execute(execute) => return self.execute(execute, frame, answer),
            StatementKind::Kill(spid) => self.kill(spid, frame)?,
            StatementKind::Checkpoint => {}
            other => self.define(other, answer)?,
        }
        Ok(Step::Next)
    }

    fn run_while(
        &mut self,
        condition: &Expr,
        body: &Statement,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        while self.is_true(condition, frame)? {
            self.clear_materialised();
            match self.run_all(std::slice::from_ref(body), frame, answer)? {
                Step::Break => break,
                Step::Next | Step::Continue => {}
                ended => return Ok(ended),
            }
        }
        self.clear_materialised();
        Ok(Step::Next)
    }

    fn try_catch(
        &mut self,
        attempt: &[Statement],
        handler: &[Statement],
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        self.trying += 1;
        let result = self.run_all(attempt, frame, answer);
        self.trying -= 1;
        let error = match result {
            Ok(step) => return Ok(step),
            // A session that ends is not caught.
            Err(error) if error.class >= 20 => return Err(error),
            Err(error) => error,
        };
        let outer = frame.caught.replace(error);
        let step = self.run_all(handler, frame, answer);
        frame.caught = outer;
        step
    }

    fn declare(&mut self, declared: &[Declared], frame: &mut Frame) -> Result<(), SqlError> {
        for one in declared {
            match one {
                Declared::Scalar { name, to, value } => {
                    let kind = types::resolve(to, self.database.collation)?;
                    let value = match value {
                        Some(value) => self.value_as(value, frame, &kind)?,
                        None => Datum::Null,
                    };
                    if !frame.declare(name, Variable { r#type: kind, value }) {
                        return Err(errors::declared_twice(name));
                    }
                }
                Declared::Table { name, columns, constraints } => {
                    let id = self.create_table_variable(name, columns, constraints)?;
                    frame.tables.insert(crate::sql::catalog::Folded::new(name), id);
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, set: &SetStatement, frame: &mut Frame, answer: &mut dyn Answer) -> Result<(), SqlError> {
        match set {
            SetStatement::Variable { name, op, value } => {
                let kind = frame
                    .variable(name)
                    .map(|variable| variable.r#type.clone())
                    .ok_or_else(|| errors::undeclared_variable(name))?;
                let value = match op {
                    Some(op) => Expr::Binary(Box::new(Expr::Variable(name.clone())), *op, Box::new(value.clone())),
                    None => value.clone(),
                };
                let value = self.value_as(&value, frame, &kind)?;
                if let Some(variable) = frame.variable_mut(name) {
                    variable.value = value;
                }
                self.rows = 1;
                return Ok(());
            }
            SetStatement::Options { names, on } => {
                for name in names {
                    self.options.set(name, *on);
                }
            }
            SetStatement::IdentityInsert { table, on } => {
                let (found, _, _) = self.find_table(table)?;
                if !found.columns.iter().any(|column| column.identity.is_some()) {
                    return Err(SqlError::new(
                        8106,
                        16,
                        1,
                        format!(
                            "Table '{}' does not have the identity property. Cannot perform SET operation.",
                            table.text()
                        ),
                    ));
                }
                self.identity_insert = on.then_some(found.id);
            }
            SetStatement::Isolation(level) => {
                self.options.isolation = match level {
                    ast::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
                    ast::Isolation::ReadCommitted => Isolation::ReadCommitted,
                    ast::Isolation::RepeatableRead => Isolation::RepeatableRead,
                    ast::Isolation::Snapshot => Isolation::Snapshot,
                    ast::Isolation::Serializable => Isolation::Serializable,
                };
            }
            SetStatement::Value { name, value } => self.set_value(name, value, frame, answer)?,
        }
        answer.done(None, Command::Other);
        Ok(())
    }

    fn set_value(&mut self, name: &str, value: &Expr, frame: &Frame, answer: &mut dyn Answer) -> Result<(), SqlError> {
        use crate::sql::value::time::DateOrder;
        let (value, _) = self.value_of(value, frame)?;
        let number = Number::of(&value).and_then(Number::truncated).and_then(|number| i64::try_from(number).ok());
        match (name, number, &value) {
            ("LOCK_TIMEOUT", Some(millis), _) => self.options.lock_timeout = millis,
            ("DATEFIRST", Some(first @ 1..=7), _) => self.options.date_first = i32::try_from(first).unwrap_or(7),
            ("DATEFORMAT", _, Datum::Text(order)) => {
                self.options.date_order = match order.to_ascii_lowercase().as_str() {
                    "mdy" => DateOrder::MonthDayYear,
                    "dmy" => DateOrder::DayMonthYear,
                    "ymd" => DateOrder::YearMonthDay,
                    _ => {
                        return Err(SqlError::new(
                            2741,
                            16,
                            1,
                            "SET DATEFORMAT date order '".to_owned() + order + "' is invalid.",
                        ));
                    }
                };
            }
            ("LANGUAGE", _, Datum::Text(language))
                if !["us_english", "english"].contains(&language.to_ascii_lowercase().as_str()) =>
            {
                return Err(SqlError::new(
                    2740,
                    16,
                    1,
                    format!(
                        "SET LANGUAGE failed because '{language}' is not an official language name or a language alias on this SQL Server."
                    ),
                ));
            }
            ("LANGUAGE", ..) => {
                let name = LANGUAGE.to_owned();
                answer.env(&EnvChange::Language { from: name.clone(), to: name });
                answer.info(&SqlError::new(5703, 0, 1, format!("Changed language setting to {LANGUAGE}.")));
            }
            ("ROWCOUNT", Some(0), _) => {}
            ("ROWCOUNT", ..) => return Err(errors::unsupported("ROWCOUNT", "SET ROWCOUNT of other than 0")),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn text_of(&mut self, expr: &Expr, frame: &Frame) -> Result<String, SqlError> {
        let to = types::text_of(true, None, self.database.collation);
        Ok(match self.value_as(expr, frame, &to)? {
            Datum::Text(text) => text,
            _ => String::new(),
        })
    }

    pub(super) fn int_of(&mut self, expr: &Expr, frame: &Frame) -> Result<i32, SqlError> {
        Ok(if let Datum::Int(number) = self.value_as(expr, frame, &Type::Int)? { number } else { 0 })
    }

    /// A transaction's name, which a variable may hold.
    fn given_name(&self, name: Option<&str>, frame: &Frame) -> String {
        let Some(name) = name else { return String::new() };
        match frame.variable(name).map(|variable| &variable.value) {
            Some(Datum::Text(text)) if name.starts_with('@') => text.clone(),
            _ => name.to_owned(),
        }
    }

    fn wait(&mut self, delay: &Expr, frame: &Frame) -> Result<(), SqlError> {
        let Datum::Time(time) = self.value_as(delay, frame, &Type::Time { scale: 7 })? else { return Ok(()) };
        let end = Instant::now() + Duration::from_micros(time.0 / 10);
        while Instant::now() < end && !self.login.cancel.is_set() {
            std::thread::sleep(end.saturating_duration_since(Instant::now()).min(Duration::from_millis(10)));
        }
        Ok(())
    }

    fn use_statement(&mut self, name: &str, answer: &mut dyn Answer) -> Result<(), SqlError> {
        let from = self.database.name.clone();
        self.use_database(name)?;
        let to = self.database.name.clone();
        answer.env(&EnvChange::Database { from, to: to.clone() });
        answer.info(&SqlError::new(5701, 0, 2, format!("Changed database context to '{to}'.")));
        answer.done(None, Command::Use);
        Ok(())
    }

    fn kill(&mut self, spid: &Expr, frame: &Frame) -> Result<(), SqlError> {
        self.check_sysadmin("KILL")?;
        let wanted = self.int_of(spid, frame)?;
        let sessions = super::server::lock(&self.server.sessions);
        match u16::try_from(wanted).ok().and_then(|wanted| sessions.get(&wanted)) {
            Some(cancel) => {
                cancel.kill();
                Ok(())
            }
            None => Err(SqlError::new(6106, 16, 2, format!("Process ID {wanted} is not an active process ID."))),
        }
    }
}
