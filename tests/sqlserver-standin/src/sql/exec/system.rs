//! What change data capture sees of the engine: a connection to one database with every right.

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

/// A session's connection, for one database.
pub(super) struct SystemOf<'a> {
    core: &'a mut Core,
    database: InDatabase,
}

impl<'a> SystemOf<'a> {
    pub(super) fn new(core: &'a mut Core, database: InDatabase) -> Self {
        Self { core, database }
    }
}

/// A procedure's view of the session that calls it.
pub(super) struct ContextOf<'a> {
    system: SystemOf<'a>,
    answer: &'a mut dyn Answer,
}

impl<'a> ContextOf<'a> {
    pub(super) fn new(core: &'a mut Core, database: InDatabase, answer: &'a mut dyn Answer) -> Self {
        Self { system: SystemOf::new(core, database), answer }
    }
}

/// A connection of the background's own.
pub(super) struct OwnedSystem {
    core: Core,
    database: InDatabase,
}

impl OwnedSystem {
    pub(super) fn new(server: Arc<Server>, database: &str) -> Result<Self, SqlError> {
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
        Ok(Self { core, database })
    }

    fn system(&mut self) -> SystemOf<'_> {
        SystemOf::new(&mut self.core, self.database.clone())
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

impl SystemOf<'_> {
    fn run_batch(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        let mut frame = Frame::default();
        for (name, value) in parameters {
            frame.declare(name, Variable { r#type: type_of(value), value: value.clone() });
        }
        let core = &mut *self.core;
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
        let internal = std::mem::replace(&mut self.core.internal, true);
        let result = self.core.edit(&self.database.clone(), |edit, _| {
            let Some(table) = edit.catalog.tables.get(&object_id).cloned() else {
                return Err(errors::unknown_object(&object_id.to_string()));
            };
            let mut table = Table::clone(&table);
            change(&mut table);
            edit.put_table(table).map_err(|error| errors::storage(&error))
        });
        self.core.internal = internal;
        result
    }
}

impl System for SystemOf<'_> {
    fn database(&self) -> &str {
        &self.database.name
    }

    fn database_id(&self) -> i32 {
        self.database.id
    }

    fn connection(&self) -> &Connection {
        &self.core.connection
    }

    fn cdc_file(&self) -> String {
        format!("cdc{}", self.database.id)
    }

    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError> {
        physical(self.core, &self.database, schema, table)
    }

    fn run(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.run_batch(sql, parameters)
    }

    fn layout(&mut self, object_id: i32) -> Result<Arc<Layout>, SqlError> {
        self.core.catalog(self.database.id)?;
        let found = table(self.core, &self.database, |table| table.id == object_id);
        found.map(|table| Arc::new(table.layout())).ok_or_else(|| errors::unknown_object(&object_id.to_string()))
    }

    fn set_tracked(&mut self, object_id: i32, tracked: bool) -> Result<(), SqlError> {
        self.change_table(object_id, |table| table.tracked = tracked)
    }

    fn set_cdc_enabled(&mut self, enabled: bool) -> Result<(), SqlError> {
        let id = self.database.id;
        self.core.server.change(|state| {
            if let Some(record) = state.databases.get_mut(&id) {
                record.options.cdc = enabled;
            }
            Ok(())
        })
    }
}

impl System for OwnedSystem {
    fn database(&self) -> &str {
        &self.database.name
    }

    fn database_id(&self) -> i32 {
        self.database.id
    }

    fn connection(&self) -> &Connection {
        &self.core.connection
    }

    fn cdc_file(&self) -> String {
        format!("cdc{}", self.database.id)
    }

    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError> {
        physical(&self.core, &self.database, schema, table)
    }

    fn run(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.system().run_batch(sql, parameters)
    }

    fn layout(&mut self, object_id: i32) -> Result<Arc<Layout>, SqlError> {
        self.system().layout(object_id)
    }

    fn set_tracked(&mut self, object_id: i32, tracked: bool) -> Result<(), SqlError> {
        self.system().set_tracked(object_id, tracked)
    }

    fn set_cdc_enabled(&mut self, enabled: bool) -> Result<(), SqlError> {
        self.system().set_cdc_enabled(enabled)
    }
}

impl System for ContextOf<'_> {
    fn database(&self) -> &str {
        self.system.database()
    }

    fn database_id(&self) -> i32 {
        self.system.database_id()
    }

    fn connection(&self) -> &Connection {
        self.system.connection()
    }

    fn cdc_file(&self) -> String {
        self.system.cdc_file()
    }

    fn physical(&self, schema: &str, table: &str) -> Result<String, SqlError> {
        self.system.physical(schema, table)
    }

    fn run(&mut self, sql: &str, parameters: &[(&str, Datum)]) -> Result<Vec<Vec<Datum>>, SqlError> {
        self.system.run(sql, parameters)
    }

    fn layout(&mut self, object_id: i32) -> Result<Arc<Layout>, SqlError> {
        self.system.layout(object_id)
    }

    fn set_tracked(&mut self, object_id: i32, tracked: bool) -> Result<(), SqlError> {
        self.system.set_tracked(object_id, tracked)
    }

    fn set_cdc_enabled(&mut self, enabled: bool) -> Result<(), SqlError> {
        self.system.set_cdc_enabled(enabled)
    }
}

impl ProcedureContext for ContextOf<'_> {
    fn is_sysadmin(&self) -> bool {
        self.system.core.is_sysadmin()
    }

    fn is_db_owner(&self) -> bool {
        self.system.core.counts_as(&self.system.database, "db_owner")
    }

    fn is_member(&self, role: &str) -> bool {
        self.system.core.counts_as(&self.system.database, role)
    }

    fn answer(&mut self) -> &mut dyn Answer {
        self.answer
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
