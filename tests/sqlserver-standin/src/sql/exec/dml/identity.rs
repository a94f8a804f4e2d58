//! Identity columns.

use super::Changed;
use crate::data::{Datum, SqlError, Type};
use crate::sql::catalog::{Table, TableColumn, identity, set_identity};
use crate::sql::exec::core::{Core, InDatabase};
use crate::sql::exec::server::lock;
use crate::sql::value::convert;
use crate::sql::value::number::Number;
use crate::sql::{errors, types};

impl Core {
    /// The last identity value of a table; none if it never had one.
    pub(in crate::sql::exec) fn current_identity(
        &mut self,
        database: &InDatabase,
        table: &Table,
    ) -> Result<Option<i64>, SqlError> {
        if table.name.starts_with(['#', '@']) {
            return identity(&self.connection, "main", table.id).map_err(|error| self.failure(error));
        }
        if let Some(last) = lock(&self.server.identities).get(&(database.id, table.id)) {
            return Ok(Some(*last));
        }
        identity(&self.connection, &database.alias(), table.id).map_err(|error| self.failure(error))
    }

    pub(super) fn next_identity(&mut self, changed: &Changed, column: &TableColumn) -> Result<Datum, SqlError> {
        let (seed, step) = column.identity.unwrap_or((1, 1));
        let last = self.current_identity(&changed.database, &changed.table)?;
        let next =
            last.map_or(Some(seed), |last| last.checked_add(step)).ok_or_else(|| errors::overflow(&column.r#type))?;
        let value =
            convert::from_number(Number::Exact { unscaled: i128::from(next), scale: 0 }, &Type::BigInt, &column.r#type)
                .map_err(|_| {
                    SqlError::new(
                        8115,
                        16,
                        1,
                        format!(
                            "Arithmetic overflow error converting IDENTITY to data type {}.",
                            types::name(&column.r#type)
                        ),
                    )
                })?;
        self.keep_identity(changed, next)?;
        Ok(value)
    }

    /// A value that was given explicitly counts when it goes further.
    pub(super) fn note_identity(&mut self, changed: &Changed, value: &Datum) -> Result<(), SqlError> {
        let given = Number::of(value).and_then(Number::truncated);
        let Some(given) = given.and_then(|given| i64::try_from(given).ok()) else { return Ok(()) };
        let last = self.current_identity(&changed.database, &changed.table)?;
        self.identity = Some(given);
        if last.is_none_or(|last| given > last) {
            self.keep_identity(changed, given)?;
        }
        Ok(())
    }

    fn keep_identity(&mut self, changed: &Changed, last: i64) -> Result<(), SqlError> {
        if !changed.temporary {
            lock(&self.server.identities).insert((changed.database.id, changed.table.id), last);
        }
        self.identity = Some(last);
        let alias = catalog_alias(changed);
        set_identity(&self.connection, &alias, changed.table.id, last).map_err(|error| self.failure(error))
    }
}

pub(super) fn catalog_alias(changed: &Changed) -> String {
    if changed.temporary { "main".to_owned() } else { changed.database.alias() }
}

pub(super) fn identity_scope(changed: &Changed) -> i32 {
    if changed.temporary { 0 } else { changed.database.id }
}
