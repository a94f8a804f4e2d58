//! An engine that knows a handful of statements, to see what the wire makes of its answers.

use std::{sync::Arc, thread, time::Duration};

use crate::{
    data::{Collation, Column, Datum, Length, SqlError, Type},
    faults::Faults,
    session::{
        Answer, Cancel, Command, Engine, EnvChange, Flow, Isolation, Login, Parameter, Session, TransactionRequest,
    },
    wire::{Encryption, Options, Server},
};

/// A server over the small engine.
pub(super) fn server(encryption: Encryption) -> (Server, Faults) {
    server_with(encryption, 7, 1 << 20)
}

pub(super) fn server_with(encryption: Encryption, seed: u64, message_limit: usize) -> (Server, Faults) {
    let faults = Faults::default();
    let options = Options { address: ([127, 0, 0, 1], 0).into(), encryption, seed, message_limit };
    (Server::start(options, Arc::new(Small), faults.clone()).unwrap(), faults)
}

struct Small;

impl Engine for Small {
    fn login(&self, login: &Login) -> Result<Box<dyn Session>, SqlError> {
        if login.password != "Secret1!" {
            return Err(SqlError::new(18456, 14, 1, format!("Login failed for user '{}'.", login.user)));
        }
        Ok(Box::new(SmallSession { cancel: login.cancel.clone(), transaction: 0, resets: 0 }))
    }
}

struct SmallSession {
    cancel: Cancel,
    transaction: u64,
    resets: i32,
}

impl Session for SmallSession {
    fn database(&self) -> String {
        "master".to_owned()
    }

    fn batch(&mut self, sql: &str, answer: &mut dyn Answer) {
        let (statement, argument) = sql.split_once(' ').unwrap_or((sql, ""));
        match statement {
            "ROWS" => rows(argument.parse().unwrap(), answer),
            "VALUES" => values(argument.parse().unwrap(), answer),
            "WAIT" => {
                while !self.cancel.is_set() {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            "RESETS" => {
                let _ = answer.columns(&[Column::new("resets", Type::Int).required()]);
                let _ = answer.row(&[Datum::Int(self.resets)]);
                answer.done(Some(1), Command::Select);
            }
            "FAIL" => {
                answer.error(&SqlError::new(208, 16, 1, "Invalid object name 'nothing'.").at(3));
                answer.done(None, Command::Select);
            }
            "DIE" => answer.error(&SqlError::new(823, 24, 2, "The disk is gone.")),
            "SAY" => {
                answer.info(&SqlError::new(0, 0, 1, argument));
                answer.done(None, Command::Other);
            }
            _ => {
                answer.error(&SqlError::new(102, 15, 1, format!("Incorrect syntax near '{statement}'.")));
                answer.done(None, Command::Other);
            }
        }
    }

    fn call(&mut self, procedure: &str, parameters: &mut [Parameter], answer: &mut dyn Answer) {
        if procedure == "sp_executesql" {
            return self.echo(&parameters[2..], answer);
        }
        if procedure != "echo" {
            let message = format!("Could not find stored procedure '{procedure}'.");
            return answer.error(&SqlError::new(2812, 16, 62, message));
        }
        self.echo(parameters, answer);
    }

    fn transaction(&mut self, request: &TransactionRequest, answer: &mut dyn Answer) {
        match request {
            TransactionRequest::Begin { isolation, .. } => {
                assert_ne!(*isolation, Some(Isolation::Serializable), "the client's tests ask for another");
                self.transaction += 1;
                answer.env(&EnvChange::Began(self.transaction));
                answer.done(None, Command::Begin);
            }
            TransactionRequest::Commit { .. } => {
                answer.env(&EnvChange::Committed(self.transaction));
                answer.done(None, Command::Commit);
            }
            TransactionRequest::Rollback { .. } => {
                answer.env(&EnvChange::RolledBack(self.transaction));
                answer.done(None, Command::Rollback);
            }
            TransactionRequest::Save { .. } => answer.done(None, Command::Other),
        }
    }

    fn reset(&mut self, _: bool, _: &mut dyn Answer) {
        self.resets += 1;
    }
}

impl SmallSession {
    /// A row of all parameters; those for output come back changed to null.
    fn echo(&self, parameters: &[Parameter], answer: &mut dyn Answer) {
        let columns: Vec<Column> =
            parameters.iter().map(|p| Column::new(p.name.trim_start_matches('@'), p.r#type.clone())).collect();
        let values: Vec<Datum> = parameters.iter().map(|p| p.value.clone()).collect();
        if !columns.is_empty() {
            let _ = answer.columns(&columns);
            let _ = answer.row(&values);
            answer.done(Some(1), Command::Select);
        }
        answer.return_status(4);
        for parameter in parameters.iter().filter(|p| p.output) {
            answer.return_value(&parameter.name, &parameter.r#type, &parameter.value);
        }
    }
}

fn rows(count: i32, answer: &mut dyn Answer) {
    let text = Type::NVarChar { length: Length::Limited(20), collation: Collation::DEFAULT };
    let columns =
        [Column::new("id", Type::Int).required(), Column::new("name", text), Column::new("note", Type::Float)];
    if answer.columns(&columns) == Flow::Stop {
        return;
    }
    answer.order(&[1]);
    for id in 0..count {
        let name = if id % 3 == 0 { Datum::Null } else { Datum::Text(format!("row {id}")) };
        if answer.row(&[Datum::Int(id), name, Datum::Float(f64::from(id) / 2.0)]) == Flow::Stop {
            return;
        }
    }
    answer.done(Some(u64::from(count.unsigned_abs())), Command::Select);
}

/// One row of one value of the list in `values.rs`.
fn values(index: usize, answer: &mut dyn Answer) {
    let (r#type, value) = super::values::samples().swap_remove(index);
    let _ = answer.columns(&[Column::new("value", r#type)]);
    let _ = answer.row(&[value]);
    answer.done(Some(1), Command::Select);
}
