//! What names mean: tables, views, functions; the catalogues for functions of metadata.

use std::sync::Arc;

use super::core::{Core, InDatabase, Source};
use super::server::lock;
use super::system::SystemOf;
use crate::cdc::{Function, TableFunction};
use crate::data::{Datum, SqlError};
use crate::sql::catalog::{Folded, Table};
use crate::sql::errors;
use crate::sql::function::Metadata;
use crate::sql::parse::ast::ObjectName;

impl Core {
    /// What a name in `FROM` means, looked up in a database.
    pub(crate) fn resolve(&mut self, name: &ObjectName, within: &InDatabase) -> Result<Source, SqlError> {
        let unknown = || errors::unknown_object(&name.text());
        if name.object.starts_with('#') {
            let table = self.temporary.table("dbo", &name.object).cloned().ok_or_else(unknown)?;
            let physical = self.temporary_name(&table);
            return Ok(Source::Table { table, physical, database: within.clone() });
        }
        let database = match &name.database {
            Some(database) => {
                self.server.database(database).ok_or_else(unknown)?;
                self.in_database(database)?
            }
            None => within.clone(),
        };
        let catalog = self.catalog(database.id)?;
        for schema in self.schemas_for(name, &database) {
            if let Some(table) = catalog.table(&schema, &name.object) {
                let physical = physical_name(&database, table);
                return Ok(Source::Table { table: Arc::clone(table), physical, database });
            }
            if let Some(view) = catalog.view(&schema, &name.object) {
                return Ok(Source::View { view: Arc::clone(view), database });
            }
            if let Some(rows) = self.system_rows(&schema, &name.object, &database)? {
                return Ok(rows);
            }
        }
        Err(unknown())
    }

    /// The schemas that a name is looked for in.
    fn schemas_for(&self, name: &ObjectName, database: &InDatabase) -> Vec<String> {
        match &name.schema {
            Some(schema) => vec![schema.clone()],
            None => {
                let own = self.default_schema(database);
                if Folded::new(&own) == Folded::new("dbo") { vec![own] } else { vec![own, "dbo".to_owned()] }
            }
        }
    }

    /// A view of the catalogue or of the server's state.
    fn system_rows(&mut self, schema: &str, name: &str, database: &InDatabase) -> Result<Option<Source>, SqlError> {
        let server = Arc::clone(&self.server);
        let mut views = server.views.iter();
        let found = views.find(|view| {
            view.schema.eq_ignore_ascii_case(schema)
                && view.name.eq_ignore_ascii_case(name)
                && view.database.is_none_or(|only| only.eq_ignore_ascii_case(&database.name))
        });
        let table = found.and_then(|view| view.table);
        let rows = match found {
            Some(view) => (view.rows)(&database.name)?.map(|rows| (view.columns.clone(), rows)),
            None => {
                if !crate::sql::view::exists(schema, name) {
                    return Ok(None);
                }
                let metadata = self.metadata(database)?;
                crate::sql::view::rows(schema, name, &metadata)
            }
        };
        let Some((columns, rows)) = rows else { return Ok(None) };
        let physical = self.materialise(&columns, &rows)?;
        Ok(Some(Source::Rows { physical, columns, schema: schema.to_owned(), database: database.clone(), table }))
    }

    /// A table by its name, for DML and DDL: temporary, or of a database.
    pub(super) fn find_table(&mut self, name: &ObjectName) -> Result<(Arc<Table>, String, InDatabase), SqlError> {
        let current = self.current();
        match self.resolve(name, &current)? {
            Source::Table { table, physical, database } => Ok((table, physical, database)),
            Source::View { view, .. } => {
                Err(errors::unsupported(&view.name, &format!("a change through the view '{}'", view.name)))
            }
            Source::Rows { .. } => Err(SqlError::new(259, 16, 1, "Ad hoc updates to system catalogs are not allowed.")),
        }
    }

    pub(crate) fn metadata(&mut self, database: &InDatabase) -> Result<Arc<Metadata>, SqlError> {
        let records: Vec<_> = self.server.state().databases.values().cloned().collect();
        let mut databases = Vec::new();
        for record in records {
            let own = record.id == database.id;
            let shared = lock(&self.server.catalogs).get(&record.id).cloned();
            // Other databases are read as last committed; those that are not open yet are opened now.
            let catalog = match shared {
                Some(shared) if !own => shared,
                None if !own && record.id <= 4 => Arc::default(),
                _ => self.catalog(record.id)?,
            };
            let of = InDatabase::of(&record);
            let accessible = self.may_use(&of)?;
            databases.push(crate::sql::function::DatabaseMetadata {
                id: record.id,
                collation: record.collation(),
                name: record.name,
                options: record.options,
                catalog,
                accessible,
            });
        }
        Ok(Arc::new(Metadata { current: database.id, databases }))
    }

    pub(crate) fn scalar_function(&self, schema: &str, name: &str) -> Option<Function> {
        let mut functions = self.server.functions.iter();
        functions
            .find(|function| function.schema.eq_ignore_ascii_case(schema) && function.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    pub(crate) fn table_function(
        &mut self,
        database: &InDatabase,
        schema: &str,
        name: &str,
    ) -> Result<Option<TableFunction>, SqlError> {
        if !schema.eq_ignore_ascii_case("cdc") {
            return Ok(None);
        }
        let mut system = SystemOf::new(self, database.clone());
        crate::cdc::table_function(&mut system, name)
    }

    pub(crate) fn check_function(
        &mut self,
        database: &InDatabase,
        check: &crate::cdc::TableCheck,
        values: &[Datum],
    ) -> Result<(), SqlError> {
        let mut system = SystemOf::new(self, database.clone());
        check(&mut system, values)
    }

    /// The last identity value of a table named in a text.
    pub(crate) fn identity_of(&mut self, name: &str, database: &InDatabase) -> Option<i64> {
        let name = crate::sql::parse::object_name(name).ok()?;
        let Ok(Source::Table { table, database, .. }) = self.resolve(&name, database) else { return None };
        self.current_identity(&database, &table).ok().flatten()
    }
}

/// A table's name in SQLite. What belongs to change data capture lies in a file of its own, so that the capture does not
/// wait for transactions that are open.
pub(super) fn physical_name(database: &InDatabase, table: &Table) -> String {
    let file = if table.schema.eq_ignore_ascii_case("cdc") { "cdc" } else { "db" };
    format!("{file}{}.t{}", database.id, table.id)
}
