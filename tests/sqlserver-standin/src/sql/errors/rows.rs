//! Rows that a table does not take.

use super::error;
use crate::data::SqlError;

pub(crate) fn null_into(column: &str, table: &str, command: &str) -> SqlError {
    error(
        515,
        16,
        2,
        format!(
            "Cannot insert the value NULL into column '{column}', table '{table}'; column does not allow nulls. {command} fails."
        ),
    )
}

pub(crate) fn identity_insert_off(table: &str) -> SqlError {
    error(
        544,
        16,
        1,
        format!(
            "Cannot insert explicit value for identity column in table '{table}' when IDENTITY_INSERT is set to OFF."
        ),
    )
}

pub(crate) fn identity_insert_needed(table: &str) -> SqlError {
    error(
        545,
        16,
        1,
        format!(
            "Explicit value must be specified for identity column in table '{table}' either when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity column."
        ),
    )
}

pub(crate) fn identity_update(column: &str) -> SqlError {
    error(8102, 16, 1, format!("Cannot update identity column '{column}'."))
}

pub(crate) fn computed_column(column: &str) -> SqlError {
    error(
        271,
        16,
        1,
        format!(
            "The column \"{column}\" cannot be modified because it is either a computed column or is the result of a UNION operator."
        ),
    )
}

pub(crate) fn timestamp_column() -> SqlError {
    error(
        273,
        16,
        1,
        "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.",
    )
}

pub(crate) fn constraint_conflict(
    statement: &str,
    kind: &str,
    name: &str,
    database: &str,
    table: &str,
    column: &str,
) -> SqlError {
    let column = if column.is_empty() { String::new() } else { format!(", column '{column}'") };
    error(
        547,
        16,
        0,
        format!(
            "The {statement} statement conflicted with the {kind} constraint \"{name}\". The conflict occurred in database \"{database}\", table \"{table}\"{column}."
        ),
    )
}

pub(crate) fn merged_twice() -> SqlError {
    error(
        8672,
        16,
        1,
        "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens when a target row matches more than one source row. A MERGE statement cannot UPDATE/DELETE the same row of the target table multiple times. Refine the ON clause to ensure a target row matches at most one source row, or use the GROUP BY clause to group the source rows.",
    )
}

pub(crate) fn unique_index(object: &str, index: &str, key: &str) -> SqlError {
    error(
        2601,
        14,
        1,
        format!(
            "Cannot insert duplicate key row in object '{object}' with unique index '{index}'. The duplicate key value is ({key})."
        ),
    )
}

pub(crate) fn unique_constraint(kind: &str, name: &str, object: &str, key: &str) -> SqlError {
    error(
        2627,
        14,
        1,
        format!(
            "Violation of {kind} constraint '{name}'. Cannot insert duplicate key in object '{object}'. The duplicate key value is ({key})."
        ),
    )
}
