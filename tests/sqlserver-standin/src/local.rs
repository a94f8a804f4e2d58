//! Sessions without the wire: for tests, the demo and the bench in the server's own process.

use std::fmt;

use crate::{
    data::{Column, Datum, SqlError, Type},
    session::{Answer, Cancel, Command, Engine, EnvChange, Flow, Login, Session},
    standin::USER,
};

/// The process id that is none of a connection's.
const SPID: u16 = 50;

/// A session of the administrator.
pub struct Local {
    session: Box<dyn Session>,
}

/// A result set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Datum>>,
}

impl Local {
    pub(crate) fn open(engine: &dyn Engine, password: &str, database: &str) -> Result<Local, SqlError> {
        let session = engine.login(&Login {
            spid: SPID,
            user: USER.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
            host: "localhost".to_owned(),
            application: "standin".to_owned(),
            cancel: Cancel::default(),
        })?;
        Ok(Local { session })
    }

    /// Runs a batch; its result sets, or its first error.
    pub fn run(&mut self, sql: &str) -> Result<Vec<Rows>, SqlError> {
        let mut collected = Collected::default();
        self.session.batch(sql, &mut collected);
        match collected.error {
            Some(error) => Err(error),
            None => Ok(collected.results),
        }
    }

    /// The rows of a batch's last result set.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<Datum>>, SqlError> {
        Ok(self.run(sql)?.pop().unwrap_or_default().rows)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Collected {
    results: Vec<Rows>,
    error: Option<SqlError>,
}

impl Answer for Collected {
    fn columns(&mut self, columns: &[Column]) -> Flow {
        self.results.push(Rows { columns: columns.to_vec(), rows: Vec::new() });
        Flow::Continue
    }

    fn order(&mut self, _: &[u16]) {}

    fn row(&mut self, values: &[Datum]) -> Flow {
        if let Some(result) = self.results.last_mut() {
            result.rows.push(values.to_vec());
        }
        Flow::Continue
    }

    fn done(&mut self, _: Option<u64>, _: Command) {}

    fn info(&mut self, message: &SqlError) {
        tracing::trace!(%message, "the server says");
    }

    fn error(&mut self, error: &SqlError) {
        self.error.get_or_insert_with(|| error.clone());
    }

    fn env(&mut self, _: &EnvChange) {}

    fn return_status(&mut self, _: i32) {}

    fn return_value(&mut self, _: &str, _: &Type, _: &Datum) {}
}
