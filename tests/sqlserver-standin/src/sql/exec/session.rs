//! A session as the wire sees it.

use super::core::Core;
use super::frame::Frame;
use super::options::SetOptions;
use crate::data::SqlError;
use crate::session::{Answer, Command, EnvChange, Isolation, Parameter, Session, TransactionRequest};
use crate::sql::{errors, parse};

#[derive(Debug)]
pub(super) struct SqlSession {
    core: Core,
    /// The database after the login, for a reset.
    first: String,
}

impl SqlSession {
    pub(super) fn new(core: Core) -> Self {
        let first = core.current().name;
        Self { core, first }
    }

    fn begin(&mut self, isolation: Option<Isolation>, name: &str, answer: &mut dyn Answer) {
        if let Some(isolation) = isolation {
            self.core.options.isolation = isolation;
        }
        self.core.begin(name, answer);
    }

    fn then(&mut self, next: Option<&TransactionRequest>, answer: &mut dyn Answer) {
        if let Some(TransactionRequest::Begin { isolation, name }) = next {
            self.begin(*isolation, name, answer);
        }
    }
}

fn refuse(error: &SqlError, answer: &mut dyn Answer) {
    answer.error(error);
    answer.done(None, Command::Other);
}

impl Session for SqlSession {
    fn database(&self) -> String {
        self.core.current().name
    }

    fn batch(&mut self, sql: &str, answer: &mut dyn Answer) {
        self.core.server.requests.note(&self.core.login.application, || sql.to_owned());
        if let Err(error) = self.core.run_text(sql, &mut Frame::default(), answer) {
            refuse(&error, answer);
        }
    }

    fn call(&mut self, procedure: &str, parameters: &mut [Parameter], answer: &mut dyn Answer) {
        let core = &self.core;
        core.server.requests.note(&core.login.application, || core.asked(procedure, parameters));
        let result = parse::object_name(procedure)
            .map_err(SqlError::from)
            .and_then(|name| self.core.call(&name, parameters, answer));
        self.core.clear_materialised();
        self.core.server.locks.release_statement(self.core.login.spid);
        match result {
            Ok(Some(status)) => {
                answer.return_status(status);
                for parameter in parameters.iter().filter(|parameter| parameter.output) {
                    answer.return_value(&parameter.name, &parameter.r#type, &parameter.value);
                }
            }
            Ok(None) => {}
            Err(error) => {
                self.core.error = error.number;
                answer.error(&error);
            }
        }
    }

    fn transaction(&mut self, request: &TransactionRequest, answer: &mut dyn Answer) {
        self.core.server.requests.note(&self.core.login.application, || format!("{request:?}"));
        let result = match request {
            TransactionRequest::Begin { isolation, name } => {
                self.begin(*isolation, name, answer);
                answer.done(None, Command::Begin);
                return;
            }
            TransactionRequest::Commit { then, .. } => self.core.commit(answer).map(|()| {
                self.then(then.as_deref(), answer);
                Command::Commit
            }),
            TransactionRequest::Rollback { name, then } => self.core.rollback(Some(name), answer).map(|()| {
                self.then(then.as_deref(), answer);
                Command::Rollback
            }),
            TransactionRequest::Save { name } => self.core.save(name).map(|()| Command::Other),
        };
        match result {
            Ok(command) => answer.done(None, command),
            Err(error) => refuse(&error, answer),
        }
    }

    fn reset(&mut self, keep_transaction: bool, answer: &mut dyn Answer) {
        if !keep_transaction && let Some(transaction) = &self.core.transaction {
            let id = transaction.id;
            self.core.undo();
            answer.env(&EnvChange::RolledBack(id));
        }
        self.core.options = SetOptions::default();
        self.core.prepared.clear();
        self.core.identity_insert = None;
        let first = self.first.clone();
        if self.core.use_database(&first).is_err() {
            answer.error(&errors::database_missing(&first));
        }
    }
}
