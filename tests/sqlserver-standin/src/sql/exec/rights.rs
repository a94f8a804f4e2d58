//! Who may do what.

use super::core::{Core, InDatabase};
use crate::data::SqlError;
use crate::sql::catalog::{Folded, PermissionOn, Principal};
use crate::sql::errors;

impl Core {
    pub(crate) fn is_sysadmin(&self) -> bool {
        self.internal || self.roles.iter().any(|role| role.eq_ignore_ascii_case("sysadmin"))
    }

    /// The login's user in a database.
    fn user(&mut self, database: &InDatabase) -> Result<Option<Principal>, SqlError> {
        let catalog = self.catalog(database.id)?;
        let wanted = Folded::new(&self.login.user);
        let mut users = catalog.principals.values();
        let user = users.find(|user| user.login.as_ref().is_some_and(|login| Folded::new(login) == wanted));
        Ok(user.map(|user| Principal::clone(user)))
    }

    pub(super) fn may_use(&mut self, database: &InDatabase) -> Result<bool, SqlError> {
        // The system's databases are open to everybody.
        Ok(self.is_sysadmin() || database.id <= 4 || self.user(database)?.is_some())
    }

    /// By the catalogue that is known already.
    pub(crate) fn user_name(&self, database: &InDatabase) -> String {
        if self.is_sysadmin() {
            return "dbo".to_owned();
        }
        self.known_user(database).map_or_else(|| "guest".to_owned(), |user| user.name.clone())
    }

    fn known_user(&self, database: &InDatabase) -> Option<&Principal> {
        let wanted = Folded::new(&self.login.user);
        let mut users = self.catalogs.get(&database.id)?.principals.values();
        users.find(|user| user.login.as_ref().is_some_and(|login| Folded::new(login) == wanted)).map(|user| &**user)
    }

    pub(super) fn default_schema(&self, database: &InDatabase) -> String {
        if self.is_sysadmin() {
            return "dbo".to_owned();
        }
        self.known_user(database)
            .map(|user| user.schema.clone())
            .filter(|schema| !schema.is_empty())
            .unwrap_or_else(|| "dbo".to_owned())
    }

    /// The roles that the login's user is in, also through other roles.
    pub(crate) fn roles_in(&mut self, database: &InDatabase) -> Result<Vec<String>, SqlError> {
        let catalog = self.catalog(database.id)?;
        if self.is_sysadmin() {
            return Ok(vec!["public".to_owned(), "db_owner".to_owned()]);
        }
        let mut open: Vec<i32> = self.user(database)?.map(|user| user.roles).unwrap_or_default();
        let mut ids = vec![0];
        while let Some(role) = open.pop() {
            if !ids.contains(&role) {
                ids.push(role);
                open.extend(catalog.principals.get(&role).map(|role| role.roles.clone()).unwrap_or_default());
            }
        }
        Ok(ids.iter().filter_map(|id| catalog.principals.get(id)).map(|role| role.name.clone()).collect())
    }

    pub(crate) fn is_owner_in(&mut self, database: &InDatabase) -> Result<bool, SqlError> {
        Ok(self.is_sysadmin() || self.is_in_role(database, "db_owner")?)
    }

    fn is_in_role(&mut self, database: &InDatabase, role: &str) -> Result<bool, SqlError> {
        Ok(self.roles_in(database)?.iter().any(|name| name.eq_ignore_ascii_case(role)))
    }

    /// Whether the session counts as a member of a role, as owners always do.
    pub(crate) fn is_member_in(&mut self, database: &InDatabase, role: &str) -> Result<bool, SqlError> {
        Ok(self.is_owner_in(database)? || self.is_in_role(database, role)?)
    }

    pub(crate) fn check_select(
        &mut self,
        database: &InDatabase,
        schema: &str,
        name: &str,
        object: i32,
    ) -> Result<(), SqlError> {
        if name.starts_with('#') {
            return Ok(());
        }
        self.check(database, "SELECT", schema, name, object)
    }

    pub(super) fn check(
        &mut self,
        database: &InDatabase,
        permission: &str,
        schema: &str,
        name: &str,
        object: i32,
    ) -> Result<(), SqlError> {
        if self.is_owner_in(database)? || database.id == 2 {
            return Ok(());
        }
        let roles = self.roles_in(database)?;
        let in_role = |role: &str| roles.iter().any(|name| name.eq_ignore_ascii_case(role));
        let reads = permission == "SELECT";
        let refused = || errors::permission_denied(permission, name, &database.name, schema);
        if in_role(if reads { "db_denydatareader" } else { "db_denydatawriter" }) {
            return Err(refused());
        }
        let catalog = self.catalog(database.id)?;
        let user = self.user(database)?.map(|user| user.id);
        let schema_id = catalog.schema(schema).map(|schema| schema.id);
        let concerns = catalog.permissions.iter().filter(|found| {
            let who = Some(found.principal) == user
                || catalog.principals.get(&found.principal).is_some_and(|role| in_role(&role.name));
            let what = match found.on {
                PermissionOn::Database => true,
                PermissionOn::Schema(id) => Some(id) == schema_id,
                PermissionOn::Object(id) => id == object,
            };
            who && what && (found.name == permission || found.name == "CONTROL" || found.name == "ALL")
        });
        let (mut granted, mut denied) = (in_role(if reads { "db_datareader" } else { "db_datawriter" }), false);
        for found in concerns {
            denied |= found.denied;
            granted |= !found.denied;
        }
        if granted && !denied { Ok(()) } else { Err(refused()) }
    }

    /// As [`Core::is_member_in`], by the catalogue that is known already.
    pub(super) fn counts_as(&self, database: &InDatabase, role: &str) -> bool {
        if self.is_sysadmin() {
            return true;
        }
        let Some(catalog) = self.catalogs.get(&database.id) else { return false };
        self.known_user(database).is_some_and(|user| {
            let mut roles = user.roles.iter().filter_map(|id| catalog.principals.get(id));
            roles.any(|found| found.name.eq_ignore_ascii_case(role) || found.name.eq_ignore_ascii_case("db_owner"))
        })
    }

    pub(super) fn check_owner(&mut self, what: &str) -> Result<(), SqlError> {
        let database = self.current();
        if self.is_owner_in(&database)? || self.is_in_role(&database, "db_ddladmin")? {
            Ok(())
        } else {
            Err(errors::create_denied(what, &database.name))
        }
    }

    pub(super) fn check_sysadmin(&self, what: &str) -> Result<(), SqlError> {
        if self.is_sysadmin() { Ok(()) } else { Err(errors::create_denied(what, "master")) }
    }
}
