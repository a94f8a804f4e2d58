//! Alias types: other names of types.

use super::super::core::Core;
use crate::data::{Collation, SqlError, Type};
use crate::sql::catalog::{Alias, Catalog};
use crate::sql::parse::ast::{ObjectName, TypeName};
use crate::sql::{errors, types, view};

/// The first `user_type_id` that is not SQL Server's own.
const FIRST: i32 = 257;

/// What a column is declared as.
pub(super) struct Declared {
    pub(super) kind: Type,
    pub(super) alias: Option<(i32, String)>,
    /// Whether it may be null if it does not say so itself.
    pub(super) nullable: bool,
}

impl Declared {
    pub(super) fn of(catalog: &Catalog, name: &TypeName, collation: Collation) -> Result<Self, SqlError> {
        if let Some(alias) = catalog.alias(&name.name).filter(|_| name.arguments.is_empty()) {
            let named = Some((alias.id, alias.name.clone()));
            return Ok(Self { kind: alias.r#type.clone(), alias: named, nullable: alias.nullable });
        }
        let kind = types::resolve(name, collation)?;
        let sysname = name.name.eq_ignore_ascii_case("sysname");
        let alias = sysname.then(|| (view::SYSNAME, "sysname".to_owned()));
        Ok(Self { kind, alias, nullable: !sysname })
    }
}

impl Core {
    pub(super) fn create_type(&mut self, name: &ObjectName, base: &TypeName, nullable: bool) -> Result<(), SqlError> {
        self.check_owner("CREATE TYPE")?;
        let (database, schema) = self.owner_of(name)?;
        let kind = types::resolve(base, database.collation)?;
        self.edit(&database, |edit, _| {
            if edit.catalog.alias(&name.object).is_some() || view::type_id(&name.object).is_some() {
                let message = format!(
                    "The type '{schema}.{}' already exists, or you do not have permission to create it.",
                    name.object
                );
                return Err(SqlError::new(219, 16, 1, message));
            }
            let id = edit.catalog.aliases.keys().next_back().map_or(FIRST, |last| last + 1);
            let alias = Alias { id, schema: schema.clone(), name: name.object.clone(), r#type: kind, nullable };
            edit.put_alias(alias).map_err(|error| errors::storage(&error))
        })
    }

    pub(super) fn drop_type(&mut self, name: &ObjectName, if_exists: bool) -> Result<(), SqlError> {
        self.check_owner("DROP TYPE")?;
        let (database, schema) = self.owner_of(name)?;
        self.edit(&database, |edit, _| {
            let full = format!("{schema}.{}", name.object);
            let Some(id) = edit.catalog.alias(&name.object).map(|alias| alias.id) else {
                let message =
                    format!("Cannot drop the type '{full}', because it does not exist or you do not have permission.");
                return if if_exists { Ok(()) } else { Err(SqlError::new(3701, 11, 5, message)) };
            };
            let of_it = |column: &crate::sql::catalog::TableColumn| column.alias.as_ref().is_some_and(|(of, _)| *of == id);
            if let Some(table) = edit.catalog.tables.values().find(|table| table.columns.iter().any(of_it)) {
                let message = format!(
                    "Cannot drop type '{full}' because it is being referenced by object '{}'. There may be other objects that reference this type.",
                    table.name
                );
                return Err(SqlError::new(3732, 16, 1, message));
            }
            edit.drop_alias(id).map_err(|error| errors::storage(&error))
        })
    }
}
