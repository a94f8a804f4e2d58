//! What DDL may do to a captured table, and what it does to its change tables.

use super::{
    ChangeData, Ddl, System,
    change_data::{lock, touch_log},
    disable::{drop_instance, instances},
    enable::{bracketed, captured_type, is_enabled},
};
use crate::{
    data::{Datum, SqlError, Type},
    sql::types,
};

impl ChangeData {
    /// Before the statement is carried out: an error if it may not be.
    pub(crate) fn ddl_before(&self, system: &mut dyn System, ddl: &Ddl<'_>) -> Result<(), SqlError> {
        let Some(object_id) = self.captured(system, ddl)? else { return Ok(()) };
        match ddl {
            Ddl::TruncateTable { .. } => Err(SqlError::new(
                4711,
                16,
                1,
                format!(
                    "Cannot truncate table '{}' because it is published for replication or enabled for Change Data Capture.",
                    name(system, object_id)?
                ),
            )),
            Ddl::Rename { column: Some(column), .. } => Err(SqlError::new(
                4928,
                16,
                1,
                format!(
                    "Cannot alter column '{column}' because it is 'enabled for Replication or Change Data Capture'."
                ),
            )),
            Ddl::Rename { column: None, .. } => {
                Err(SqlError::new(15051, 11, 1, "Cannot rename the table because it is published for replication."))
            }
            Ddl::DropIndex { index, .. } if uses(system, object_id, Some(index))? => Err(SqlError::new(
                22983,
                16,
                1,
                format!(
                    "The unique index '{index}' on source table '{}' is used by Change Data Capture. To alter or drop the \
                     index, you must first disable Change Data Capture on the table.",
                    name(system, object_id)?
                ),
            )),
            Ddl::DropPrimaryKey { .. } if uses(system, object_id, None)? => Err(SqlError::new(
                22979,
                16,
                1,
                format!(
                    "The unique index on table '{}' is used by Change Data Capture. The constraint using this index cannot be \
                     dropped or disabled.",
                    name(system, object_id)?
                ),
            )),
            Ddl::DropTable { .. } => {
                for (change_table, instance) in instances(system, Some(object_id))? {
                    drop_instance(system, change_table, &instance)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// After it was carried out, in the same transaction.
    pub(crate) fn ddl_after(&self, system: &mut dyn System, ddl: &Ddl<'_>) -> Result<(), SqlError> {
        let Some(object_id) = self.captured(system, ddl)? else { return Ok(()) };
        let (text, altered) = match ddl {
            Ddl::AddColumn { text, .. } | Ddl::DropColumn { text, .. } => (text, None),
            Ddl::AlterColumn { text, column, r#type, .. } => (text, Some((*column, *r#type))),
            _ => return Ok(()),
        };
        touch_log(system)?;
        let database = self.database(system.database_id())?;
        let lsn = lock(&database.log).allocator.record();
        for (change_table, instance) in instances(system, Some(object_id))? {
            let updated = match altered {
                Some((column, r#type)) => alter(system, change_table, &instance, column, r#type)?,
                None => false,
            };
            system.run(
                "INSERT INTO cdc.ddl_history (source_object_id, object_id, required_column_update, ddl_command, ddl_lsn, \
                 ddl_time) VALUES (@source, @object, @updated, @text, @lsn, @now)",
                &[
                    ("@source", Datum::Int(object_id)),
                    ("@object", Datum::Int(change_table)),
                    ("@updated", Datum::Bit(updated)),
                    ("@text", Datum::Text((*text).to_owned())),
                    ("@lsn", Datum::Bytes(lsn.to_bytes().to_vec())),
                    ("@now", Datum::DateTime(self.clock.local_datetime())),
                ],
            )?;
        }
        Ok(())
    }

    /// The table, if it is one that is captured.
    fn captured(&self, system: &mut dyn System, ddl: &Ddl<'_>) -> Result<Option<i32>, SqlError> {
        let object_id = match ddl {
            Ddl::DropTable { object_id }
            | Ddl::TruncateTable { object_id }
            | Ddl::AddColumn { object_id, .. }
            | Ddl::DropColumn { object_id, .. }
            | Ddl::AlterColumn { object_id, .. }
            | Ddl::Rename { object_id, .. }
            | Ddl::DropIndex { object_id, .. }
            | Ddl::DropPrimaryKey { object_id } => *object_id,
        };
        let captured = is_enabled(system) && !instances(system, Some(object_id))?.is_empty();
        Ok(captured.then_some(object_id))
    }
}

/// Gives the captured column the source's new type. Whether there is such a column.
fn alter(
    system: &mut dyn System,
    change_table: i32,
    instance: &str,
    column: &str,
    r#type: &Type,
) -> Result<bool, SqlError> {
    let known = system.run(
        "SELECT 1 FROM cdc.captured_columns WHERE object_id = @object AND column_name = @column",
        &[("@object", Datum::Int(change_table)), ("@column", Datum::Text(column.to_owned()))],
    )?;
    if known.is_empty() {
        return Ok(false);
    }
    let table = bracketed(&format!("{instance}_CT"));
    system.run(
        &format!("ALTER TABLE cdc.{table} ALTER COLUMN {} {} NULL", bracketed(column), captured_type(r#type)),
        &[],
    )?;
    system.run(
        "UPDATE cdc.captured_columns SET column_type = @type WHERE object_id = @object AND column_name = @column",
        &[
            ("@type", Datum::Text(types::name(r#type).to_owned())),
            ("@object", Datum::Int(change_table)),
            ("@column", Datum::Text(column.to_owned())),
        ],
    )?;
    Ok(true)
}

/// Whether an instance of the table identifies its rows by this index, or by any.
fn uses(system: &mut dyn System, object_id: i32, index: Option<&str>) -> Result<bool, SqlError> {
    let rows = system.run(
        "SELECT 1 FROM cdc.change_tables WHERE source_object_id = @source AND index_name IS NOT NULL \
         AND (@index IS NULL OR index_name = @index)",
        &[
            ("@source", Datum::Int(object_id)),
            ("@index", index.map_or(Datum::Null, |index| Datum::Text(index.to_owned()))),
        ],
    )?;
    Ok(!rows.is_empty())
}

fn name(system: &mut dyn System, object_id: i32) -> Result<String, SqlError> {
    let rows = system.run("SELECT OBJECT_NAME(@object)", &[("@object", Datum::Int(object_id))])?;
    match rows.into_iter().flatten().next() {
        Some(Datum::Text(name)) => Ok(name),
        _ => Ok(String::new()),
    }
}
