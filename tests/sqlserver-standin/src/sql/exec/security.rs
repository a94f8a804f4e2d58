//! Schemas, logins, users, roles and permissions.

use std::sync::Arc;

use super::core::Core;
use super::server::LoginRecord;
use crate::data::SqlError;
use crate::sql::catalog::{Folded, Permission, PermissionOn, Principal, PrincipalKind, Schema};
use crate::sql::errors;
use crate::sql::parse::ast::{DropKind, GrantKind, Securable, StatementKind};

fn storage(error: rusqlite::Error) -> SqlError {
    errors::storage(&error)
}

impl Core {
    pub(super) fn secure(&mut self, statement: &StatementKind) -> Result<(), SqlError> {
        match statement {
            StatementKind::CreateSchema { name, owner } => self.create_schema(name, owner.as_deref()),
            StatementKind::CreateLogin { name, password, database } => {
                self.create_login(name, password.as_deref(), database.as_deref())
            }
            StatementKind::AlterLogin { name, password, enabled } => {
                self.alter_login(name, password.as_deref(), *enabled)
            }
            StatementKind::CreateUser { name, login, schema } => {
                self.create_principal(name, PrincipalKind::User, login.clone(), schema.as_deref().unwrap_or("dbo"))
            }
            StatementKind::CreateRole { name } => self.create_principal(name, PrincipalKind::Role, None, ""),
            StatementKind::AlterRole { server: true, role, member, add } => self.alter_server_role(role, member, *add),
            StatementKind::AlterRole { server: false, role, member, add } => self.alter_role(role, member, *add),
            StatementKind::Permission { kind, permissions, on, to } => self.permit(*kind, permissions, on, to),
            StatementKind::Drop { kind, names, if_exists } => {
                for name in names {
                    self.drop_secured(*kind, &name.object, *if_exists)?;
                }
                Ok(())
            }
            _ => Err(errors::unsupported(";", "this statement")),
        }
    }

    fn create_schema(&mut self, name: &str, owner: Option<&str>) -> Result<(), SqlError> {
        self.check_owner("CREATE SCHEMA")?;
        let database = self.current();
        self.edit(&database, |edit, _| {
            if edit.catalog.schema(name).is_some() {
                return Err(errors::object_exists(name));
            }
            let owner = owner.and_then(|owner| edit.catalog.principal(owner)).map_or(1, |owner| owner.id);
            let id = edit.catalog.schemas.keys().max().map_or(5, |last| last + 1).max(5);
            edit.put_schema(Schema { id, name: name.to_owned(), owner }).map_err(storage)
        })
    }

    fn create_login(&mut self, name: &str, password: Option<&str>, database: Option<&str>) -> Result<(), SqlError> {
        self.check_sysadmin("CREATE LOGIN")?;
        self.server.change(|state| {
            if state.logins.iter().any(|login| Folded::new(&login.name) == Folded::new(name)) {
                return Err(SqlError::new(15025, 16, 1, format!("The server principal '{name}' already exists.")));
            }
            state.logins.push(LoginRecord {
                name: name.to_owned(),
                password: password.unwrap_or_default().to_owned(),
                database: database.unwrap_or("master").to_owned(),
                enabled: true,
                roles: Vec::new(),
            });
            Ok(())
        })
    }

    fn alter_login(&mut self, name: &str, password: Option<&str>, enabled: Option<bool>) -> Result<(), SqlError> {
        self.check_sysadmin("ALTER LOGIN")?;
        self.server.change(|state| {
            let login = state.logins.iter_mut().find(|login| Folded::new(&login.name) == Folded::new(name));
            let login = login.ok_or_else(|| unknown_principal("login", name))?;
            if let Some(password) = password {
                login.password = password.to_owned();
            }
            login.enabled = enabled.unwrap_or(login.enabled);
            Ok(())
        })
    }

    fn alter_server_role(&mut self, role: &str, member: &str, add: bool) -> Result<(), SqlError> {
        self.check_sysadmin("ALTER SERVER ROLE")?;
        self.server.change(|state| {
            let login = state.logins.iter_mut().find(|login| Folded::new(&login.name) == Folded::new(member));
            let login = login.ok_or_else(|| unknown_principal("login", member))?;
            login.roles.retain(|known| !known.eq_ignore_ascii_case(role));
            if add {
                login.roles.push(role.to_owned());
            }
            Ok(())
        })
    }

    fn create_principal(
        &mut self,
        name: &str,
        kind: PrincipalKind,
        login: Option<String>,
        schema: &str,
    ) -> Result<(), SqlError> {
        self.check_owner("CREATE USER")?;
        if let Some(login) = &login {
            let known = self.server.state().logins.iter().any(|known| Folded::new(&known.name) == Folded::new(login));
            if !known {
                return Err(SqlError::new(
                    15007,
                    16,
                    1,
                    format!("'{login}' is not a valid login or you do not have permission."),
                ));
            }
        }
        let database = self.current();
        self.edit(&database, |edit, _| {
            if edit.catalog.principal(name).is_some() {
                return Err(SqlError::new(
                    15023,
                    16,
                    1,
                    format!("User, group, or role '{name}' already exists in the current database."),
                ));
            }
            let id = edit.catalog.principals.keys().filter(|id| **id < 16_384).max().map_or(5, |last| last + 1).max(5);
            let principal = Principal {
                id,
                name: name.to_owned(),
                kind,
                login,
                schema: schema.to_owned(),
                roles: Vec::new(),
                fixed: false,
            };
            edit.put_principal(principal).map_err(storage)
        })
    }

    pub(super) fn alter_role(&mut self, role: &str, member: &str, add: bool) -> Result<(), SqlError> {
        self.check_owner("ALTER ROLE")?;
        let database = self.current();
        self.edit(&database, |edit, _| {
            let role_id =
                edit.catalog.principal(role).map(|role| role.id).ok_or_else(|| unknown_principal("role", role))?;
            let member =
                edit.catalog.principal(member).cloned().ok_or_else(|| unknown_principal("principal", member))?;
            let mut member = Principal::clone(&member);
            member.roles.retain(|known| *known != role_id);
            if add {
                member.roles.push(role_id);
            }
            edit.put_principal(member).map_err(storage)
        })
    }

    fn permit(
        &mut self,
        kind: GrantKind,
        permissions: &[String],
        on: &Securable,
        to: &[String],
    ) -> Result<(), SqlError> {
        self.check_owner("GRANT")?;
        let database = self.current();
        let on = match on {
            Securable::Object(name, _) => match self.resolve(name, &database)? {
                super::Source::Table { table, .. } => PermissionOn::Object(table.id),
                super::Source::View { view, .. } => PermissionOn::Object(view.id),
                super::Source::Rows { table: Some(id), .. } => PermissionOn::Object(id),
                super::Source::Rows { table: None, .. } => return Ok(()),
            },
            Securable::Schema(name) => {
                let catalog = self.catalog(database.id)?;
                let schema = catalog.schema(name).ok_or_else(|| {
                    SqlError::new(
                        15151,
                        16,
                        1,
                        format!(
                            "Cannot find the schema '{name}', because it does not exist or you do not have permission."
                        ),
                    )
                })?;
                PermissionOn::Schema(schema.id)
            }
            Securable::Database => PermissionOn::Database,
            // Views of the server's state are open to everybody here.
            Securable::Server => return Ok(()),
        };
        self.edit(&database, |edit, _| {
            let mut all = edit.catalog.permissions.clone();
            for name in to {
                let principal = edit
                    .catalog
                    .principal(name)
                    .map(|principal| principal.id)
                    .ok_or_else(|| unknown_principal("user", name))?;
                for permission in permissions {
                    all.retain(|known| !(known.principal == principal && known.name == *permission && known.on == on));
                    if kind != GrantKind::Revoke {
                        all.push(Arc::new(Permission {
                            principal,
                            name: permission.clone(),
                            on,
                            denied: kind == GrantKind::Deny,
                        }));
                    }
                }
            }
            edit.put_permissions(all).map_err(storage)
        })
    }

    fn drop_secured(&mut self, kind: DropKind, name: &str, if_exists: bool) -> Result<(), SqlError> {
        self.check_owner("DROP")?;
        let database = self.current();
        let missing = |what: &str| if if_exists { Ok(()) } else { Err(unknown_principal(what, name)) };
        match kind {
            DropKind::Schema => {
                let catalog = self.catalog(database.id)?;
                let Some(schema) = catalog.schema(name).cloned() else { return missing("schema") };
                if let Some(table) =
                    catalog.tables.values().find(|table| Folded::new(&table.schema) == Folded::new(name))
                {
                    return Err(SqlError::new(
                        3729,
                        16,
                        1,
                        format!(
                            "Cannot drop schema '{name}' because it is being referenced by object '{}'.",
                            table.name
                        ),
                    ));
                }
                self.edit(&database, |edit, _| edit.drop_schema(schema.id).map_err(storage))
            }
            DropKind::User | DropKind::Role => {
                let catalog = self.catalog(database.id)?;
                let Some(principal) = catalog.principal(name).filter(|principal| !principal.fixed).cloned() else {
                    return missing("user");
                };
                self.edit(&database, |edit, _| edit.drop_principal(principal.id).map_err(storage))
            }
            DropKind::Login => {
                self.check_sysadmin("DROP LOGIN")?;
                let known =
                    self.server.state().logins.iter().any(|login| Folded::new(&login.name) == Folded::new(name));
                if !known {
                    return missing("login");
                }
                self.server.change(|state| {
                    state.logins.retain(|login| Folded::new(&login.name) != Folded::new(name));
                    Ok(())
                })
            }
            _ if if_exists => Ok(()),
            _ => Err(errors::cannot_drop("procedure", name)),
        }
    }
}

fn unknown_principal(what: &str, name: &str) -> SqlError {
    SqlError::new(
        15151,
        16,
        1,
        format!("Cannot find the {what} '{name}', because it does not exist or you do not have permission."),
    )
}
