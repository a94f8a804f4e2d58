//! Databases: made, dropped, their options set.

use super::collation_named;
use crate::data::SqlError;
use crate::sql::catalog::Folded;
use crate::sql::errors;
use crate::sql::exec::DatabaseOptions;
use crate::sql::exec::core::{Core, InDatabase};
use crate::sql::exec::server::{DatabaseRecord, lock};
use crate::sql::exec::system::SystemOf;
use crate::sql::parse::ast::DatabaseOption;

impl Core {
    pub(super) fn create_database(&mut self, name: &str, collation: Option<&str>) -> Result<(), SqlError> {
        self.check_sysadmin("CREATE DATABASE")?;
        if self.in_transaction() {
            return Err(errors::in_transaction("CREATE DATABASE"));
        }
        let collation = collation_named(collation)?.unwrap_or_default();
        let id = self.server.change(|state| {
            if state.databases.values().any(|database| Folded::new(&database.name) == Folded::new(name)) {
                return Err(SqlError::new(
                    1801,
                    16,
                    3,
                    format!("Database '{name}' already exists. Choose a different database name."),
                ));
            }
            let id = state.databases.keys().max().map_or(5, |last| last + 1).max(5);
            let record = DatabaseRecord {
                id,
                name: name.to_owned(),
                collation: collation.name().to_owned(),
                options: DatabaseOptions::default(),
            };
            state.databases.insert(id, record);
            Ok(id)
        })?;
        self.catalog(id)?;
        let database = self.in_database(name)?;
        let changes = std::sync::Arc::clone(&self.server.changes);
        changes.opened(&mut SystemOf::new(self, database))
    }

    pub(super) fn drop_database(&mut self, name: &str, if_exists: bool) -> Result<(), SqlError> {
        self.check_sysadmin("DROP DATABASE")?;
        if self.in_transaction() {
            return Err(errors::in_transaction("DROP DATABASE"));
        }
        let Some(record) = self.server.database(name) else {
            return if if_exists { Ok(()) } else { Err(errors::cannot_drop("database", name)) };
        };
        if record.id <= 4 {
            return Err(SqlError::new(
                3708,
                16,
                4,
                format!("Cannot drop the database '{name}' because it is a system database."),
            ));
        }
        if record.id == self.database.id {
            return Err(SqlError::new(
                3702,
                16,
                3,
                format!("Cannot drop database \"{name}\" because it is currently in use."),
            ));
        }
        self.server.changes.dropped(record.id);
        self.detach(record.id);
        self.server.change(|state| {
            state.databases.remove(&record.id);
            Ok(())
        })?;
        lock(&self.server.catalogs).remove(&record.id);
        for kind in ["db", "cdc"] {
            let file = self.server.file(kind, record.id);
            for suffix in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(suffix);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(%error, "a file of a dropped database is gone already");
                }
            }
        }
        Ok(())
    }

    pub(super) fn alter_database(&mut self, name: Option<&str>, options: &[DatabaseOption]) -> Result<(), SqlError> {
        self.check_owner("ALTER DATABASE")?;
        let id = match name {
            Some(name) => self.server.database(name).ok_or_else(|| errors::database_missing(name))?.id,
            None => self.database.id,
        };
        self.server.change(|state| {
            let Some(record) = state.databases.get_mut(&id) else { return Ok(()) };
            for option in options {
                match option {
                    DatabaseOption::SnapshotIsolation(on) => record.options.snapshot_isolation = *on,
                    DatabaseOption::ReadCommittedSnapshot(on) => record.options.read_committed_snapshot = *on,
                    DatabaseOption::ReadOnly(on) => record.options.read_only = *on,
                    DatabaseOption::Compatibility(level) => record.options.compatibility = *level,
                    DatabaseOption::Recovery(model) => record.options.recovery.clone_from(model),
                    DatabaseOption::Collate(name) => {
                        record.collation = collation_named(Some(name))?.unwrap_or_default().name().to_owned();
                    }
                    DatabaseOption::ModifyName(name) => record.name.clone_from(name),
                    DatabaseOption::Nothing => {}
                }
            }
            Ok(())
        })?;
        if id == self.database.id
            && let Some(record) = self.server.database_by_id(id)
        {
            self.database = InDatabase::of(&record);
        }
        Ok(())
    }
}
