//! The catalogue in its database's file: a row of JSON for each object, in the transaction that changes it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Serialize, de::DeserializeOwned};

use super::model::{Alias, Catalog, Permission, Principal, PrincipalKind, Schema, Table, View};

/// The fixed schemas and who they belong to.
const SCHEMAS: [(i32, &str, i32); 4] = [(1, "dbo", 1), (2, "guest", 2), (3, "INFORMATION_SCHEMA", 3), (4, "sys", 4)];
const USERS: [(i32, &str, &str); 4] =
    [(1, "dbo", "dbo"), (2, "guest", "guest"), (3, "INFORMATION_SCHEMA", ""), (4, "sys", "")];
const ROLES: [(i32, &str); 10] = [
    (0, "public"),
    (16_384, "db_owner"),
    (16_385, "db_accessadmin"),
    (16_386, "db_securityadmin"),
    (16_387, "db_ddladmin"),
    (16_389, "db_backupoperator"),
    (16_390, "db_datareader"),
    (16_391, "db_datawriter"),
    (16_392, "db_denydatareader"),
    (16_393, "db_denydatawriter"),
];

/// Makes the tables of the catalogue in the file attached as `alias`, with what every database has from the start.
pub(crate) fn create(connection: &Connection, alias: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {alias}.standin_catalog (kind TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS {alias}.standin_version (version INTEGER NOT NULL, last_id INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS {alias}.standin_identity (object_id INTEGER PRIMARY KEY, last INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS {alias}.standin_write (at INTEGER);"
    ))?;
    let exists: Option<i64> = connection
        .query_row(&format!("SELECT version FROM {alias}.standin_version"), [], |row| row.get(0))
        .optional()?;
    if exists.is_some() {
        return Ok(());
    }
    connection.execute(&format!("INSERT INTO {alias}.standin_version VALUES (1, 0)"), [])?;
    for (id, name, owner) in SCHEMAS {
        put(connection, alias, "schema", id, &Schema { id, name: name.to_owned(), owner })?;
    }
    for (id, name, schema) in USERS {
        put(connection, alias, "principal", id, &principal(id, name, PrincipalKind::User, schema))?;
    }
    for (id, name) in ROLES {
        put(connection, alias, "principal", id, &principal(id, name, PrincipalKind::Role, ""))?;
    }
    Ok(())
}

fn principal(id: i32, name: &str, kind: PrincipalKind, schema: &str) -> Principal {
    let login = (id == 1).then(|| "sa".to_owned());
    Principal { id, name: name.to_owned(), kind, login, schema: schema.to_owned(), roles: Vec::new(), fixed: true }
}

/// The catalogue's version as the connection sees it now.
pub(crate) fn version(connection: &Connection, alias: &str) -> rusqlite::Result<i64> {
    let sql = format!("SELECT version FROM {alias}.standin_version");
    connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))
}

pub(crate) fn load(connection: &Connection, alias: &str) -> rusqlite::Result<Catalog> {
    let mut catalog = Catalog::default();
    (catalog.version, catalog.last_id) =
        connection.query_row(&format!("SELECT version, last_id FROM {alias}.standin_version"), [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut statement = connection.prepare(&format!("SELECT kind, body FROM {alias}.standin_catalog"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, body): (String, String) = (row.get(0)?, row.get(1)?);
        match kind.as_str() {
            "schema" => insert(&mut catalog.schemas, parse::<Schema>(&body)?, |schema| schema.id),
            "table" => insert(&mut catalog.tables, parse::<Table>(&body)?, |table| table.id),
            "view" => insert(&mut catalog.views, parse::<View>(&body)?, |view| view.id),
            "alias" => insert(&mut catalog.aliases, parse::<Alias>(&body)?, |alias| alias.id),
            "principal" => insert(&mut catalog.principals, parse::<Principal>(&body)?, |principal| principal.id),
            _ => catalog.permissions.push(Arc::new(parse::<Permission>(&body)?)),
        }
    }
    catalog.index();
    Ok(catalog)
}

fn insert<T>(map: &mut std::collections::BTreeMap<i32, Arc<T>>, value: T, id: impl Fn(&T) -> i32) {
    map.insert(id(&value), Arc::new(value));
}

fn parse<T: DeserializeOwned>(body: &str) -> rusqlite::Result<T> {
    serde_json::from_str(body)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error)))
}

fn put<T: Serialize>(connection: &Connection, alias: &str, kind: &str, id: i32, value: &T) -> rusqlite::Result<()> {
    let body =
        serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let sql = format!("INSERT OR REPLACE INTO {alias}.standin_catalog (kind, id, body) VALUES (?1, ?2, ?3)");
    connection.prepare_cached(&sql)?.execute(params![kind, id, body])?;
    Ok(())
}

fn remove(connection: &Connection, alias: &str, kind: &str, id: i32) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {alias}.standin_catalog WHERE kind = ?1 AND id = ?2");
    connection.prepare_cached(&sql)?.execute(params![kind, id])?;
    Ok(())
}

/// A change of the catalogue within the transaction that is open on the connection: written as it is made. Its end is
/// [`Edit::finish`], which gives the catalogue a version of its own.
pub(crate) struct Edit<'a> {
    connection: &'a Connection,
    alias: &'a str,
    pub(crate) catalog: Catalog,
}

impl<'a> Edit<'a> {
    pub(crate) fn new(connection: &'a Connection, alias: &'a str, catalog: &Catalog) -> Self {
        Self { connection, alias, catalog: catalog.clone() }
    }

    pub(crate) fn put_schema(&mut self, schema: Schema) -> rusqlite::Result<()> {
        put(self.connection, self.alias, "schema", schema.id, &schema)?;
        self.catalog.schemas.insert(schema.id, Arc::new(schema));
        Ok(())
    }

    pub(crate) fn drop_schema(&mut self, id: i32) -> rusqlite::Result<()> {
        self.catalog.schemas.remove(&id);
        remove(self.connection, self.alias, "schema", id)
    }

    pub(crate) fn put_table(&mut self, table: Table) -> rusqlite::Result<()> {
        put(self.connection, self.alias, "table", table.id, &table)?;
        self.catalog.tables.insert(table.id, Arc::new(table));
        Ok(())
    }

    pub(crate) fn drop_table(&mut self, id: i32) -> rusqlite::Result<()> {
        self.catalog.tables.remove(&id);
        let sql = format!("DELETE FROM {}.standin_identity WHERE object_id = ?1", self.alias);
        self.connection.execute(&sql, [id])?;
        remove(self.connection, self.alias, "table", id)
    }

    pub(crate) fn put_view(&mut self, view: View) -> rusqlite::Result<()> {
        put(self.connection, self.alias, "view", view.id, &view)?;
        self.catalog.views.insert(view.id, Arc::new(view));
        Ok(())
    }

    pub(crate) fn drop_view(&mut self, id: i32) -> rusqlite::Result<()> {
        self.catalog.views.remove(&id);
        remove(self.connection, self.alias, "view", id)
    }

    pub(crate) fn put_alias(&mut self, alias: Alias) -> rusqlite::Result<()> {
        put(self.connection, self.alias, "alias", alias.id, &alias)?;
        self.catalog.aliases.insert(alias.id, Arc::new(alias));
        Ok(())
    }

    pub(crate) fn drop_alias(&mut self, id: i32) -> rusqlite::Result<()> {
        self.catalog.aliases.remove(&id);
        remove(self.connection, self.alias, "alias", id)
    }

    pub(crate) fn put_principal(&mut self, principal: Principal) -> rusqlite::Result<()> {
        put(self.connection, self.alias, "principal", principal.id, &principal)?;
        self.catalog.principals.insert(principal.id, Arc::new(principal));
        Ok(())
    }

    pub(crate) fn drop_principal(&mut self, id: i32) -> rusqlite::Result<()> {
        self.catalog.principals.remove(&id);
        let kept = self.catalog.permissions.iter().filter(|permission| permission.principal != id).cloned().collect();
        self.put_permissions(kept)?;
        remove(self.connection, self.alias, "principal", id)
    }

    /// All permissions at once: there are few.
    pub(crate) fn put_permissions(&mut self, permissions: Vec<Arc<Permission>>) -> rusqlite::Result<()> {
        self.connection
            .execute(&format!("DELETE FROM {}.standin_catalog WHERE kind = 'permission'", self.alias), [])?;
        for (at, permission) in permissions.iter().enumerate() {
            put(self.connection, self.alias, "permission", i32::try_from(at).unwrap_or(i32::MAX), permission)?;
        }
        self.catalog.permissions = permissions;
        Ok(())
    }

    /// Versions are drawn, not counted: after a rollback no other change may get the number of the one undone.
    pub(crate) fn finish(mut self) -> rusqlite::Result<Catalog> {
        self.catalog.version = i64::from(rand::random::<u32>()) << 16 | i64::from(rand::random::<u16>());
        let sql = format!("UPDATE {}.standin_version SET version = ?1, last_id = ?2", self.alias);
        self.connection.execute(&sql, params![self.catalog.version, self.catalog.last_id])?;
        self.catalog.index();
        Ok(self.catalog)
    }
}

/// The last identity value that was given away, as the file knows it.
pub(crate) fn identity(connection: &Connection, alias: &str, object_id: i32) -> rusqlite::Result<Option<i64>> {
    let sql = format!("SELECT last FROM {alias}.standin_identity WHERE object_id = ?1");
    connection.prepare_cached(&sql)?.query_row([object_id], |row| row.get(0)).optional()
}

pub(crate) fn set_identity(connection: &Connection, alias: &str, object_id: i32, last: i64) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO {alias}.standin_identity (object_id, last) VALUES (?1, ?2)");
    connection.prepare_cached(&sql)?.execute(params![object_id, last])?;
    Ok(())
}
