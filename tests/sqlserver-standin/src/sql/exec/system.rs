//! What change data capture sees of the engine: a connection to one database with every right.

use std::borrow::{Borrow, BorrowMut};
use std::sync::Arc;

use rusqlite::Connection;

use super::core::{Core, InDatabase};
use super::frame::{Frame, Variable};
use super::server::Server;
use crate::cdc::{Layout, ProcedureContext, System};
use crate::data::{Column, Datum, SqlError, Type};
use crate::session::{Answer, Cancel, Command, EnvChange, Flow, Login};
use crate::sql::catalog::Table;
use crate::sql::{errors, types};

/// A connection for one database: a session's, borrowed; that of the caller of a procedure; or one of the background's own.
pub(super) struct SystemOf<C> {
    core: C,
    database: InDatabase,
}

impl<C: BorrowMut<Core>> SystemOf<C> {
    pub(super) fn new(core: C, database: InDatabase) -> Self {
        Self { core, database }
    }
}

/// A procedure's view of the session that calls it.
pub(super) type ContextOf<'a> = SystemOf<Caller<'a>>;

pub(super) struct Caller<'a> {
    pub(super) core: &'a mut Core,
    pub(super) answer: &'a mut dyn Answer,
}

impl Borrow<Core> for Caller<'_> {
    fn borrow(&self) -> &Core {
        self.core
    }
}

impl BorrowMut<Core> for Caller<'_> {
    fn borrow_mut(&mut self) -> &mut Core {
        self.core
    }
}

/// A connection of the background's own.
pub(super) type OwnedSystem = SystemOf<Core>;

impl OwnedSystem {
    pub(super) fn open(server: Arc<Server>, database: &str) -> Result<Self, SqlError> {
        let login = Login {
            spid: 0,
            user: "sa".to_owned(),
            password: String::new(),
            database: database.to_owned(),
            host: String::new(),
            application: "system".to_owned(),
            cancel: Cancel::default(),
        };
        let mut core = Core::new(server, login, vec!["sysadmin".to_owned()])?;
        core.internal = true;
        core.use_database(database)?;
        let database = core.current();
        core.catalog(database.id)?;
        Ok(Self::new(core, database))
    }
}

fn table(core: &Core, database: &InDatabase, find: impl Fn(&Table) -> bool) -> Option<Arc<Table>> {
    core.catalogs.get(&database.id)?.tables.values().find(|table| find(table)).cloned()
}

fn physical(core: &Core, database: &InDatabase, schema: &str, name: &str) -> Result<String, SqlError> {
    let found = core.catalogs.get(&database.id).and_then(|catalog| catalog.table(schema, name));
    found
        .map(|table| super::lookup::physical_name(database, table))
        .ok_or_else(|| errors::unknown_object(&format!("{schema}.{name}")))
}

impl<C: BorrowMut<Core>> SystemOf<C> {
    fn run_batch(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        let mut frame = Frame::default();
        for (name, value) in parameters {
            frame.declare(name, Variable { r#type: type_of(value), value: value.clone() });
        }
        let core = self.core.borrow_mut();
        let database = std::mem::replace(&mut core.database, self.database.clone());
        let internal = std::mem::replace(&mut core.internal, true);
        let options = std::mem::take(&mut core.options);
        let rows = core.rows;
        core.trying += 1;
        let mut nobody = Nobody;
        let mut collected = Collected::new(&mut nobody);
        let result = core.run_text(sql, &mut frame, &mut collected);
        core.trying -= 1;
        core.rows = rows;
        core.options = options;
        core.internal = internal;
        core.database = database;
        result?;
        Ok(collected.rows)
    }

    fn change_table(&mut self, object_id: i32, change: impl FnOnce(&mut Table)) -> Result<(), SqlError> {
        let core = self.core.borrow_mut();
        let internal = std::mem::replace(&mut core.internal, true);
        let result = core.edit(&self.database, |edit, _| {
            let Some(table) = edit.catalog.tables.get(&object_id).cloned() else {
                return Err(errors::unknown_object(&object_id.to_string()));
            };
            let mut table = Table::clone(&table);
            change(&mut table);
            edit.put_table(table).map_err(|error| errors::storage(&error))
        });
        core.internal = internal;
        result
    }
}

impl<C: BorrowMut<Core>> System for SystemOf<C> {
    fn database(&self) -> &str {
        &self.database.name
    }

    fn database_id(&self) -> i32 {
        self.database.id
    }

    fn connection(&self) -> &Connection {
        &self.core.borrow().connection
    }

    fn cdc_file(&self) -> String {
        format!("cdc{}", self.database.id)
    }

    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError> {
        physical(self.core.borrow(), &self.database, schema, table)
    }

    fn run(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.run_batch(sql, parameters)
    }

    fn layout(&mut self, object_id: i32) -> Result<Arc<Layout>, SqlError> {
        self.core.borrow_mut().catalog(self.database.id)?;
        let found = table(self.core.borrow(), &self.database, |table| table.id == object_id);
        found.map(|table| Arc::new(table.layout())).ok_or_else(|| errors::unknown_object(&object_id.to_string()))
    }

    fn set_tracked(&mut self, object_id: i32, tracked: bool) -> Result<(), SqlError> {
        self.change_table(object_id, |table| table.tracked = tracked)
    }

    fn set_cdc_enabled(&mut self, enabled: bool) -> Result<(), SqlError> {
        let id = self.database.id;
        self.core.borrow().server.change(|state| {
            if let Some(record) = state.databases.get_mut(&id) {
                record.options.cdc = enabled;
            }
            Ok(())
        })
    }
}

impl ProcedureContext for ContextOf<'_> {
    fn is_sysadmin(&self) -> bool {
        self.core.core.is_sysadmin()
    }

    fn is_db_owner(&self) -> bool {
        self.core.core.counts_as(&self.database, "db_owner")
    }

    fn is_member(&self, role: &str) -> bool {
        self.core.core.counts_as(&self.database, role)
    }

    fn answer(&mut self) -> &mut dyn Answer {
        self.core.answer
    }
}

/// The type that a value's own kind means.
fn type_of(value: &Datum) -> Type {
    match value {
        Datum::Null | Datum::Int(_) => Type::Int,
        Datum::Bit(_) => Type::Bit,
        Datum::TinyInt(_) => Type::TinyInt,
        Datum::SmallInt(_) => Type::SmallInt,
        Datum::BigInt(_) => Type::BigInt,
        Datum::Real(_) => Type::Real,
        Datum::Float(_) => Type::Float,
        Datum::Decimal(decimal) => Type::Decimal { precision: decimal.precision, scale: decimal.scale },
        Datum::Money(_) => Type::Money,
        Datum::Text(_) => types::text_of(true, None, crate::data::Collation::DEFAULT),
        Datum::Bytes(_) => Type::VarBinary { length: crate::data::Length::Max },
        Datum::Guid(_) => Type::UniqueIdentifier,
        Datum::Xml(_) => Type::Xml,
        Datum::Date(_) => Type::Date,
        Datum::Time(_) => Type::Time { scale: 7 },
        Datum::DateTime(_) => Type::DateTime,
        Datum::SmallDateTime(_) => Type::SmallDateTime,
        Datum::DateTime2(_) => Type::DateTime2 { scale: 7 },
        Datum::DateTimeOffset(_) => Type::DateTimeOffset { scale: 7 },
        Datum::Variant(_) => Type::Variant,
    }
}

/// Takes the rows of an answer; all else goes on to the client.
pub(super) struct Collected<'a> {
    to: &'a mut dyn Answer,
    columns: Vec<Column>,
    rows: Vec<Vec<Datum>>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(to: &'a mut dyn Answer) -> Self {
        Self { to, columns: Vec::new(), rows: Vec::new() }
    }

    pub(super) fn into_rows(self) -> (Vec<Column>, Vec<Vec<Datum>>) {
        (self.columns, self.rows)
    }
}

impl Answer for Collected<'_> {
    fn columns(&mut self, columns: &[Column]) -> Flow {
        self.columns = columns.to_vec();
        self.rows.clear();
        Flow::Continue
    }

    fn order(&mut self, _: &[u16]) {}

    fn row(&mut self, values: &[Datum]) -> Flow {
        self.rows.push(values.to_vec());
        Flow::Continue
    }

    fn done(&mut self, _: Option<u64>, _: Command) {}

    fn info(&mut self, message: &SqlError) {
        self.to.info(message);
    }

    fn error(&mut self, error: &SqlError) {
        self.to.error(error);
    }

    fn env(&mut self, change: &EnvChange) {
        self.to.env(change);
    }

    fn return_status(&mut self, _: i32) {}

    fn return_value(&mut self, _: &str, _: &Type, _: &Datum) {}
}

/// Nobody listens.
struct Nobody;

impl Answer for Nobody {
    fn columns(&mut self, _: &[Column]) -> Flow {
        Flow::Continue
    }

    fn order(&mut self, _: &[u16]) {}

    fn row(&mut self, _: &[Datum]) -> Flow {
        Flow::Continue
    }

    fn done(&mut self, _: Option<u64>, _: Command) {}

    fn info(&mut self, _: &SqlError) {}

    fn error(&mut self, error: &SqlError) {
        tracing::debug!(%error, "a statement of the system's failed");
    }

    fn env(&mut self, _: &EnvChange) {}

    fn return_status(&mut self, _: i32) {}

    fn return_value(&mut self, _: &str, _: &Type, _: &Datum) {}
}
